import { absolutePathFault } from "./paths.ts";
import type { PublishSpec } from "./types-image.ts";
import { parseInterval } from "./units.ts";
import type { Path, Report } from "./value-checks.ts";

/** These words come to be in a command line of ssh, or of rsync's, which splits it at spaces. */
const PLAIN_PATH = /^[A-Za-z0-9/._+@:,=-]+$/;
const HOST = /^[A-Za-z0-9:][A-Za-z0-9.:-]*$/;
const USER = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/** Where an image or a kernel is published, and with which keys. */
export function checkPublish(publish: PublishSpec | undefined, report: Report): void {
  if (publish === undefined) return;
  const { directory, ssh, sign, timeout, recheck } = publish;
  if ((directory === undefined) === (ssh === undefined)) {
    report(["publish"], "cannot publish it: it needs one place", "write either `directory` or `ssh`");
  }
  checkFile(directory, ["publish", "directory"], /^/, report);
  if (ssh !== undefined) checkSsh(ssh, report);
  if (sign !== undefined && (sign.gpg === undefined) === (sign.minisign === undefined)) {
    report(["publish", "sign"], "cannot sign what is published: it needs one key", "write either `gpg` or `minisign`");
  }
  checkFile(sign?.gpg, ["publish", "sign", "gpg"], /^/, report);
  checkFile(sign?.minisign, ["publish", "sign", "minisign"], /^/, report);
  for (const [name, time] of Object.entries({ timeout, recheck })) {
    if (time === undefined || parseInterval(time) !== undefined) continue;
    report(["publish", name], `cannot read the time \`${time}\``, 'write a time such as "90s", "1h" or "24h"');
  }
}

function checkSsh(ssh: NonNullable<PublishSpec["ssh"]>, report: Report): void {
  const at = ["publish", "ssh"];
  if (!HOST.test(ssh.host)) report([...at, "host"], `cannot use the machine \`${ssh.host}\``, "write its name alone");
  if (!USER.test(ssh.user)) report([...at, "user"], `cannot log in as \`${ssh.user}\``, "write the name of a user");
  for (const name of ["path", "identityFile", "knownHosts"] as const)
    checkFile(ssh[name], [...at, name], PLAIN_PATH, report);
}

function checkFile(file: string | undefined, path: Path, plain: RegExp, report: Report): void {
  if (file === undefined) return;
  const fault = absolutePathFault(file) ?? (plain.test(file) ? undefined : "it has a character that ssh may not get");
  if (fault === undefined) return;
  report(path, `cannot use \`${file}\`: ${fault}`, "write an absolute path of letters, digits, dots and dashes");
}
