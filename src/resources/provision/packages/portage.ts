import type { TreeHandle } from "../../../host/ports.ts";
import { namesIn, type PackageAdapter } from "./adapter.ts";

const EMERGE = ["emerge", "--ask=n", "--color=n"];
const DATABASE = "var/db/pkg";

/** Portage: the database is `var/db/pkg/CATEGORY/NAME-VERSION`. Sets such as `@world` are installed whenever the step runs. */
export const portage: PackageAdapter = {
  difference: (work, tree) => ({
    missing: work.install.filter((atom) => !isSet(atom) && !isInstalled(tree, atom)),
    unwanted: work.remove.filter((atom) => !isSet(atom) && isInstalled(tree, atom)),
  }),
  commands: ({ install }, { unwanted }) => [
    // All of them, so that what came as a dependency is in the world set; what is there is not built again.
    ...(install.length === 0 ? [] : [[...EMERGE, "--noreplace", ...install]]),
    ...(unwanted.length === 0
      ? []
      : [
          [...EMERGE, "--unmerge", ...unwanted],
          [...EMERGE, "--depclean"],
        ]),
  ],
  environment: { EMERGE_WARNING_DELAY: "0", CLEAN_DELAY: "0", NOCOLOR: "1" },
};

function isSet(atom: string): boolean {
  return atom.startsWith("@");
}

/** The name of an atom without operator, slot, repository and USE flags; its version only where an operator says there is one. */
function parse(atom: string): { readonly category: string; readonly name: string } {
  const operator = /^[<>=~!]+/.exec(atom)?.[0] ?? "";
  const plain = (atom.slice(operator.length).split(/[:[]/)[0] ?? "").replace(/\*$/, "");
  const named = operator === "" ? plain : plain.replace(/-\d[^/]*$/, "");
  const slash = named.indexOf("/");
  return slash < 0 ? { category: "", name: named } : { category: named.slice(0, slash), name: named.slice(slash + 1) };
}

function isInstalled(tree: TreeHandle, atom: string): boolean {
  const { category, name } = parse(atom);
  const categories = category === "" ? namesIn(tree, DATABASE) : [category];
  // A directory that begins with -MERGING- is half installed, and has no version behind this name.
  const is = (entry: string): boolean => entry.startsWith(`${name}-`) && /^\d/.test(entry.slice(name.length + 1));
  return categories.some((each) => namesIn(tree, `${DATABASE}/${each}`).some(is));
}
