import type { TreeHandle } from "../../../host/ports.ts";
import { type PackageAdapter, readText } from "./adapter.ts";

const OPTIONS = ["-q", "-y", "-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Options::=--force-confdef"];

/** apt and dpkg: the database is `var/lib/dpkg/status`. */
export const apt: PackageAdapter = {
  difference: (work, tree) => {
    const installed = readStatus(tree);
    return {
      missing: work.install.filter((wanted) => !fulfils(installed, wanted)),
      unwanted: work.remove.filter((name) => installed.some((each) => each.name === parse(name).name)),
    };
  },
  commands: ({ install, refresh, recommends }, { missing, unwanted }) => {
    const present = install.filter((name) => !missing.includes(name) && !/[=/]/.test(name));
    const options = [...OPTIONS, ...(recommends ? [] : ["--no-install-recommends"])];
    return [
      // A run that was killed may have left packages unpacked and not configured.
      ["dpkg", "--force-confold", "--configure", "-a"],
      ...(missing.length === 0 ? [] : installing(missing, options, refresh)),
      // What came as somebody's dependency stays when that one goes: it was asked for. A virtual name has no mark.
      ...present.map((name) => ["sh", "-c", 'apt-mark manual "$1" >/dev/null 2>&1 || :', "mark", name]),
      ...(unwanted.length === 0 ? [] : [["apt-get", ...OPTIONS, "purge", "--", ...unwanted]]),
      ...(unwanted.length === 0 ? [] : [["apt-get", ...OPTIONS, "autoremove", "--purge"]]),
    ];
  },
  environment: {
    DEBIAN_FRONTEND: "noninteractive",
    DEBCONF_NONINTERACTIVE_SEEN: "true",
    APT_LISTCHANGES_FRONTEND: "none",
  },
};

function installing(missing: readonly string[], options: readonly string[], refresh: boolean): string[][] {
  return [...(refresh ? [["apt-get", "-q", "update"]] : []), ["apt-get", ...options, "install", "--", ...missing]];
}

interface Installed {
  readonly name: string;
  readonly architecture: string;
  readonly version: string;
  readonly provides: readonly string[];
}

/** Paragraphs of the status file whose package is installed whole. */
function readStatus(tree: TreeHandle): readonly Installed[] {
  const found: Installed[] = [];
  for (const paragraph of (readText(tree, "var/lib/dpkg/status") ?? "").split(/\n\n+/)) {
    const field = (name: string): string => new RegExp(`^${name}: *(.*)$`, "m").exec(paragraph)?.[1] ?? "";
    if (!/ installed$/.test(field("Status"))) continue;
    const provides = field("Provides")
      .split(",")
      .flatMap((each) => each.trim().split(/[ :]/)[0] ?? []);
    found.push({ name: field("Package"), architecture: field("Architecture"), version: field("Version"), provides });
  }
  return found;
}

function fulfils(installed: readonly Installed[], wanted: string): boolean {
  const { name, architecture, version } = parse(wanted);
  return installed.some(
    (each) =>
      (each.name === name || (version === "" && each.provides.includes(name))) &&
      (architecture === "" || architecture === "any" || each.architecture === architecture) &&
      (version === "" || each.version === version),
  );
}

/** `vim:arm64=2:9.0-1` and `vim/bookworm-backports`: which release it comes from cannot be seen afterwards. */
function parse(wanted: string): { readonly name: string; readonly architecture: string; readonly version: string } {
  const [left = "", version = ""] = (wanted.split("/")[0] ?? "").split("=");
  const [name = "", architecture = ""] = left.split(":");
  return { name, architecture, version };
}
