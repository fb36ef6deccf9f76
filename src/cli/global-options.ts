/** Global options; each is also a variable, but for --no-color. */
export const GLOBAL_OPTIONS: readonly (readonly [string, string])[] = [
  ["--desired <dir>", "the desired state (default ./desired)"],
  ["--state <dir>", "what passes write (default ./state)"],
  ["--cache <dir>", "what can be made again (default ./.cache/rootloom)"],
  ["--repository <dir>", "a bare repository that holds the desired state"],
  ["--ref <ref>", "the commit to converge to (default HEAD)"],
  ["--path <path>", "where desired/ is inside a bare repository"],
  ["--remote <url>", "a remote repository, fetched fast-forward only"],
  ["--branch <branch>", "the branch of the remote (default main)"],
  ["--interval <time>", "how often the daemon looks again: 30s, 5m"],
  ["--mount-namespace <file>", "the namespace of host mounts (default that of PID 1)"],
  ["--offline", "fetch nothing for roots: use only what the cache has"],
  ["--ca-file <file>", "certificates that servers of roots may prove their name by (default the system's)"],
  ["--log-level <level>", "trace, debug, info, warn, error, silent"],
  ["--no-color", "plain text on a terminal too"],
];

/** The word of argv (without node and script) that names the command: the first that is neither an option nor a value of one. */
export function commandWord(argv: readonly string[]): string | undefined {
  const takesValue = new Set(
    GLOBAL_OPTIONS.filter(([syntax]) => syntax.includes("<")).map(([syntax]) => syntax.split(" ")[0]),
  );
  return argv.find((word, index) => !word.startsWith("-") && !takesValue.has(argv[index - 1] ?? ""));
}
