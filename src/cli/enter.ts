import { RootloomError } from "../core/error.ts";
import type { DesiredGraph, MountResource, TreeResource } from "../core/resource.ts";
import type { Session } from "../pass/types.ts";
import { takeLease } from "../resources/lease.ts";
import type { Places } from "../resources/types.ts";
import { type CliContext, type CommandDefinition, nameOf } from "./command.ts";

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
    const lease = await leaseOf(session, tree.name);
    try {
      const command = given.names.slice(1);
      const isShell = command.length === 0;
      const run = await prepare(context, session, graph, tree, isShell ? shellOf(session, tree.path) : command);
      const { noteEntry } = await import("../state/entries.ts");
      const { host, configuration } = session;
      const entry = noteEntry(host, configuration.state, { root: tree.name, who: context.who, command });
      const exitCode = await run();
      entry.end(exitCode);
      return exitCode;
    } finally {
      lease.release();
    }
  },
};

/** Everything that may be refused, before somebody is noted to have been in the root. Returns what runs the command there. */
async function prepare(
  context: CliContext,
  session: Session,
  graph: DesiredGraph,
  tree: TreeResource,
  command: readonly string[],
): Promise<() => Promise<number>> {
  const { host } = session;
  const mounts = graph.resources.filter((it): it is MountResource => it.kind === "mount" && it.tree === tree.id);
  const places = await requireAllowed(session, tree, mounts);
  const { runInRoot } = await import("../resources/mount/private.ts");
  const { findResolvConf, makeMissing, removeMade } = await import("../resources/provision/resolv-conf.ts");
  const { bindResolvConf } = await import("../resources/provision/script.ts");
  // Nothing of the caller's: its PATH may name what the root does not have, or has elsewhere.
  const environment = { PATH: ROOT_PATH, HOME: "/root", TERM: context.terminalType };
  const isBound = graph.resources.some(
    (it) => it.kind === "provision" && it.tree === tree.id && it.resolvConf === "host",
  );
  const resolvConf = isBound && host.files.stat("/etc/resolv.conf") ? findResolvConf(tree, host.files) : undefined;
  const more = bindResolvConf(resolvConf && `${tree.path}/${resolvConf.place}`);
  return async () => {
    if (resolvConf !== undefined) makeMissing(tree, resolvConf, host.files);
    try {
      const run = { treePath: tree.path, mounts, more, command, environment, interactive: true };
      return await runInRoot({ ...places, host }, run);
    } finally {
      removeMade(tree, resolvConf?.missing ?? [], host.files);
    }
  };
}

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

/** What a pass would refuse, `enter` refuses too: a root that is not ours, a mount that the host's limits forbid. */
async function requireAllowed(session: Session, tree: TreeResource, mounts: readonly MountResource[]): Promise<Places> {
  const { host, configuration } = session;
  const { openState } = await import("../state/state.ts");
  const { refusalOf, standing } = await import("../resources/tree/observe.ts");
  const { requireMountable } = await import("../resources/mount/observe.ts");
  const state = openState(host, configuration.state, "read");
  const { instance } = state;
  state.close();
  const places = { ...configuration, instance };
  const { refusal, hint } = refusalOf(tree, places, host.files);
  if (refusal !== "") throw new RootloomError(refusal, { hint });
  const found = standing(tree, places, host.files);
  if (found.state !== "ours")
    throw new RootloomError(`cannot enter ${tree.name}: ${tree.path} is ${found.what || "not there"}`, {
      hint: "make or adopt it first: rootloom plan",
    });
  for (const mount of mounts) requireMountable(mount, { ...places, host });
  return places;
}

/** The lease keeps packing away: what a shell is changing is no state to make an image of. */
async function leaseOf({ host, configuration }: Session, name: string): Promise<{ release(): void }> {
  const lease = await takeLease(host, configuration.state, name, "alone");
  if (!("holders" in lease)) return lease;
  throw new RootloomError(`cannot enter ${name}: ${lease.holders} is in it or packs it`, {
    hint: "one at a time: wait until that one ends",
    retry: "waiting",
  });
}

function shellOf(session: Session, path: string): string[] {
  const hasBash = session.host.files.stat(`${path}/bin/bash`) ?? session.host.files.stat(`${path}/usr/bin/bash`);
  return hasBash === undefined ? ["/bin/sh", "-l"] : ["/bin/bash", "--login"];
}
