import type { Mount } from "../mount-table.ts";

const FLAGS = ["ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "relatime", "nodiratime"];

/** Sets the flags of one mount; each flag takes its opposite away, and of `noatime` and `relatime` the last one holds. */
export function applyFlags(mount: Mount, rules: readonly string[]): void {
  const opposite = (flag: string): string =>
    ({ ro: "rw", rw: "ro", noatime: "relatime", relatime: "noatime" })[flag] ??
    (flag.startsWith("no") ? flag.slice(2) : `no${flag}`);
  let options = [...mount.options];
  for (const flag of rules.filter((rule) => FLAGS.includes(rule))) {
    options = options.filter((option) => option !== flag && option !== opposite(flag));
    if (!["suid", "dev", "exec"].includes(flag)) options.push(flag);
  }
  const access = options.includes("ro") ? "ro" : "rw";
  mount.options = [access, ...options.filter((option) => option !== "ro" && option !== "rw")];
}

/** Options that belong to the file system, as the kernel shows them. */
export function superOptions(rules: readonly string[]): readonly string[] {
  const own = rules.filter((rule) => /^(size|mode|uid|gid|nr_inodes|hidepid)=/.test(rule));
  return own.map((rule) => (rule.startsWith("size=") ? `size=${Math.floor(sizeOf(rule.slice(5)) / 1024)}k` : rule));
}

/** `64m` in bytes. */
export function sizeOf(text: string): number {
  const unit = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[text.slice(-1).toLowerCase()] ?? 1;
  return Number.parseInt(text, 10) * unit;
}
