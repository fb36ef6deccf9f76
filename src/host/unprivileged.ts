/** What reads from the network, and what is not known to be right yet, is read by nobody: user and group 65534. */
export const NOBODY = 65534;

/** The words before a command that take every right away from it for good. Only root can give up what it has. */
export function withoutRights(userId: number): readonly string[] {
  if (userId !== 0) return [];
  return [
    "setpriv",
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    "--clear-groups",
    "--no-new-privs",
    "--inh-caps=-all",
    "--bounding-set=-all",
    "--",
  ];
}
