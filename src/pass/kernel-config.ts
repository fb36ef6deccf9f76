import { showPath } from "../core/entry.ts";
import { RootloomError } from "../core/error.ts";
import type { KernelResource } from "../core/resource.ts";
import { readKernelSymbols } from "../documents/kconfig.ts";
import { carryConfig } from "../resources/kernel/carry.ts";
import type { CommandArguments, CommandContext, CommandResult } from "./command-types.ts";
import { loadDesired } from "./desired.ts";
import { besideDocument } from "./kernel-texts.ts";
import type { Session } from "./types.ts";
import { findDeclared, workOn } from "./work.ts";

/**
 * `rootloom kernel-config update NAME`: lets the kernel's own Kconfig answer for the base configuration, without its
 * fragments, with the source and the compiler of now, and shows what changes. A file that was written as a whole answer
 * stays one, any other is as `savedefconfig` writes it.
 */
export async function kernelConfigCommand(
  session: Session,
  given: CommandArguments["kernelConfig"],
  context: CommandContext,
): Promise<CommandResult> {
  const { resource, revision } = await findDeclared(session, given.names[0] ?? "", ["kernel"]);
  if (resource.kind !== "kernel") throw new RootloomError(`cannot configure ${resource.id}: it is no kernel`);
  const path = await fileOf(session, resource);
  const { files } = session.host;
  const before = files.readText(path);
  if (before === undefined)
    throw new RootloomError(`cannot update ${path}: it is not there`, {
      hint: "write it, or correct the KernelConfig",
    });
  let after = before;
  await workOn(session, { id: resource.id, operation: "kernel.configure", revision }, context, async (apply) => {
    const network = session.configuration.network ?? { offline: false, caFile: undefined };
    after = await carryConfig(resource, before, { ...apply, network });
    return { record: apply.owned(resource.id), result: "configured" };
  });
  const lines = difference(before, after);
  if (after === before) return { exitCode: 0, lines: [`${path} is as Kconfig writes it: nothing changes`] };
  const told = lines.length === 0 ? ["no symbol changes, only how the file is written"] : lines;
  if (!given.write)
    return { exitCode: 2, lines: [...told, `to write it: rootloom kernel-config update ${resource.name} --write`] };
  const stat = files.stat(path);
  files.writeFile(path, after, { owner: stat?.owner ?? 0, group: stat?.group ?? 0, mode: stat?.mode ?? 0o644 });
  return { exitCode: 0, lines: [...told, `${path} is rewritten: review and commit it`] };
}

/** The file in the checkout, which a person edits; the commit's own copy is not what is carried on. */
async function fileOf(session: Session, resource: KernelResource): Promise<string> {
  const { source } = session.configuration;
  if (source.repository !== undefined || source.remote !== undefined)
    throw new RootloomError(`cannot update the configuration of ${resource.id}: the documents come from no checkout`, {
      hint: "run it in a checkout of them, with --desired DIR",
    });
  const { snapshot } = await loadDesired(session);
  const inside = showPath(besideDocument({ locate: () => resource.origin }, resource.config.path, snapshot));
  return `${source.desired}/${inside}`;
}

/** A line a symbol: `+ A=y` where it is new, `- A=y` where it is gone, `~ A: y -> m`. */
function difference(before: string, after: string): readonly string[] {
  const [old, now] = [readKernelSymbols([before]), readKernelSymbols([after])];
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((symbol) => {
    const [was, is] = [old.get(symbol), now.get(symbol)];
    if (was === is) return [];
    if (was === undefined) return [`+ ${symbol}=${is}`];
    return is === undefined ? [`- ${symbol}=${was}`] : [`~ ${symbol}: ${was} -> ${is}`];
  });
}
