import { RootloomError } from "../core/error.ts";
import type { DesiredGraph, MountResource, TreeResource } from "../core/resource.ts";
import type { Session } from "../pass/types.ts";
import { type CommandDefinition, nameOf } from "./command.ts";

const ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export const enter: CommandDefinition = {
  name: "enter",
  summary: "run a shell or a command inside a root, with its mounts, in a mount namespace of its own",
  argument: ["<root...>", "name of a root, then `--` and a command"],
  examples: [
    ["rootloom enter debian", "a shell; no image of the root is packed while it is open"],
    ["rootloom enter debian -- apt-get install vim", "one command; its exit code is passed on"],
  ],
  run: async (context, given) => {
    const session = await context.session();
    const { loadDesired } = await import("../pass/desired.ts");
    const { graph } = await loadDesired(session);
    const tree = await findTree(session, graph, nameOf(given));
    const lease = await takeLease(session, tree.name);
    try {
      const { runInRoot } = await import("../resources/mount/private.ts");
      const command = given.names.slice(1);
      return await runInRoot(
        { host: session.host, signal: undefined },
        {
          treePath: tree.path,
          mounts: graph.resources.filter((it): it is MountResource => it.kind === "mount" && it.tree === tree.id),
          command: command.length > 0 ? [...command] : shellOf(session, tree.path),
          // Nothing of the caller's: its PATH may name what the root does not have, or has elsewhere.
          environment: { PATH: ROOT_PATH, HOME: "/root", TERM: context.terminalType },
          interactive: true,
        },
      );
    } finally {
      lease.release();
    }
  },
};

async function findTree(session: Session, graph: DesiredGraph, name: string): Promise<TreeResource> {
  const { resolveName } = await import("../pass/names.ts");
  const trees = graph.resources.filter((resource) => resource.kind === "tree");
  const id = resolveName(
    name,
    trees.map((tree) => tree.id),
  );
  const tree = trees.find((each) => each.id === id);
  if (tree !== undefined && session.host.files.stat(tree.path)?.type === "directory") return tree;
  throw new RootloomError(`cannot enter ${name}: its root is not there`, { hint: "make it: rootloom apply" });
}

/** The lease keeps packing away: what a shell is changing is no state to make an image of. */
async function takeLease(session: Session, name: string): Promise<{ release(): void }> {
  const { host, configuration } = session;
  const directory = `${configuration.state}/leases`;
  host.files.makeDirectories(directory, 0o700);
  const path = `${directory}/${name}.lock`;
  const lease = await host.stores.lock(path);
  if (lease !== undefined) return lease;
  const holders = host.stores.holders(path).map(({ pid, command }) => `pid ${pid} (${command})`);
  throw new RootloomError(`cannot enter ${name}: ${holders.join(", ") || "somebody"} is in it or packs it`, {
    hint: "one at a time: end that one first",
    retry: "waiting",
  });
}

function shellOf(session: Session, path: string): string[] {
  const hasBash = session.host.files.stat(`${path}/bin/bash`) ?? session.host.files.stat(`${path}/usr/bin/bash`);
  return hasBash === undefined ? ["/bin/sh", "-l"] : ["/bin/bash", "--login"];
}
