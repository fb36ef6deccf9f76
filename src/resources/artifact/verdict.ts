import type { Files } from "../../host/ports.ts";

/** Files of a generation that was checked, beside the image. */
export const VERDICT = "check.json";
export const BOOT_LOG = "boot.log";

/** What a check found of a generation. Its own key says which check it was. */
export interface Verdict {
  readonly version: 1;
  /** Digest of the check and of the kernel that was booted: another check is another question. */
  readonly key: string;
  readonly healthy: boolean;
  /** "printed ... after 2.1 s", "did not print ... within 120 s". */
  readonly message: string;
  readonly accelerator: string;
  readonly checkedAt: string;
}

/** The verdict on a generation, by whatever check; undefined where there is none, or half of one. */
export function readVerdict(files: Files, directory: string): Verdict | undefined {
  try {
    const value: unknown = JSON.parse(files.readText(`${directory}/${VERDICT}`) ?? "");
    if (typeof value !== "object" || value === null) return undefined;
    const { version, key, healthy, message } = value as Partial<Verdict>;
    const isWhole = version === 1 && typeof key === "string" && typeof healthy === "boolean";
    return isWhole && typeof message === "string" ? (value as Verdict) : undefined;
  } catch {
    return undefined;
  }
}

/** A person asks to try what failed once more: the verdicts on it are taken back. Returns their generations. */
export function forgiveFailures(files: Files, path: string): readonly string[] {
  const failed = (files.list(path) ?? []).filter((name) => readVerdict(files, `${path}/${name}`)?.healthy === false);
  for (const name of failed) files.removeFile(`${path}/${name}/${VERDICT}`);
  return failed;
}
