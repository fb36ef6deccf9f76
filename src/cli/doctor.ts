import { asRootloomError } from "../core/error.ts";
import type { Session } from "../pass/types.ts";
import { type CliContext, type CommandDefinition, flagOf } from "./command.ts";
import { namespaceFinding, unitFinding } from "./doctor-service.ts";
import { toolFindings } from "./doctor-tools.ts";

/** `note`: good to know; `warning`: something will be in the way; `error`: passes cannot work. */
export interface Finding {
  readonly check: string;
  readonly status: "ok" | "note" | "warning" | "error";
  readonly message: string;
  readonly hint: string;
}

/** The first release of the Node line that carries the security fixes known when this was written. */
const FIXED_NODE = [26, 12, 1] as const;
const LOW_SPACE_BYTES = 2 * 1024 ** 3;

export const doctor: CommandDefinition = {
  name: "doctor",
  summary: "check the host: tools, Node, state, limits, lock, space, mounts, service",
  options: [["--json", "one JSON document"]],
  examples: [["rootloom doctor", "exit code 0: fit, 1: something is missing"]],
  run: async (context, given) => {
    const findings = await examine(context);
    const failed = findings.some((finding) => finding.status === "error");
    if (flagOf(given, "json")) context.output.document({ fit: !failed, findings });
    else context.output.write(await findingsText(findings, context.output));
    return failed ? 1 : 0;
  },
};

async function examine(context: CliContext): Promise<readonly Finding[]> {
  const node = nodeFinding(context.nodeVersion);
  let session: Session;
  try {
    session = await context.session();
  } catch (thrown) {
    const { message, hint } = asRootloomError(thrown);
    return [node, { check: "configuration", status: "error", message, hint: hint ?? "" }];
  }
  return [
    node,
    ...(await toolFindings(session)),
    userFinding(session),
    await guarded("state", () => workTreeFinding(session)),
    limitsFinding(session),
    await guarded("store", () => stateFinding(session)),
    await guarded("lock", () => lockFinding(session)),
    await guarded("space", () => spaceFinding(session)),
    namespaceFinding(session),
    await guarded("service", () => unitFinding(session)),
  ];
}

/** What cannot be looked at is a finding too: the other checks are still wanted. */
async function guarded(check: string, look: () => Finding | Promise<Finding>): Promise<Finding> {
  try {
    return await look();
  } catch (thrown) {
    const { message, hint } = asRootloomError(thrown);
    return { check, status: "error", message, hint: hint ?? "" };
  }
}

/** Whether this Node has the fixes; a note only, since the pinned one may be the newest that can be had. */
export function nodeFinding(version: string): Finding {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  const [fixedMajor, fixedMinor, fixedPatch] = FIXED_NODE;
  const ahead = major - fixedMajor || minor - fixedMinor || patch - fixedPatch;
  if (ahead >= 0) return ok("node", `Node ${version}`);
  const hint = "set ROOTLOOM_NODE to a newer one when it can be had";
  return { check: "node", status: "note", message: `Node ${version} lacks the fixes of ${FIXED_NODE.join(".")}`, hint };
}

function userFinding(session: Session): Finding {
  if (session.host.processes.userId === 0) return ok("user", "root");
  const message = "not root: plan, validate and packing of tarballs work, nothing else";
  return { check: "user", status: "note", message, hint: "run passes as root" };
}

async function workTreeFinding(session: Session): Promise<Finding> {
  const { files, git } = session.host;
  const { state } = session.configuration;
  const found = files.stat(state) === undefined ? undefined : await git.discover(state);
  if (found === undefined || found.bare) return ok("state", `${state} is outside of git work trees`);
  const message = `the state ${state} lies in the git work tree ${found.top}`;
  const hint = "fine for the example; an installed host keeps it in /var/lib/rootloom: `git clean` would delete it";
  return { check: "state", status: "warning", message, hint };
}

function limitsFinding(session: Session): Finding {
  const { limits, state } = session.configuration;
  if (limits.file !== "") return ok("limits", `${limits.file}: ${limits.paths.length} paths`);
  const message = `no limits file: only ${state} may be changed`;
  return { check: "limits", status: "note", message, hint: "propose one: rootloom init --limits" };
}

async function stateFinding(session: Session): Promise<Finding> {
  const { openState } = await import("../state/state.ts");
  const state = openState(session.host, session.configuration.state, "read");
  const records = state.records().length;
  const open = state.openSteps().length;
  state.close();
  const unfinished = open === 0 ? "" : `, ${open} unfinished steps (the next pass takes them up)`;
  return ok("store", `${records} records${unfinished}`);
}

async function lockFinding(session: Session): Promise<Finding> {
  const { describeHolders, lockPath } = await import("../state/lock.ts");
  const { host, configuration } = session;
  if (host.stores.holders(lockPath(configuration.state)).length === 0) return ok("lock", "free");
  const message = `held by ${describeHolders(host, configuration.state)}`;
  return { check: "lock", status: "note", message, hint: "a pass runs" };
}

function spaceFinding(session: Session): Finding {
  const { files } = session.host;
  const { state } = session.configuration;
  const existing = nearestExisting(state, (path) => files.stat(path) !== undefined);
  const free_bytes = files.freeSpace_bytes(existing);
  const message = `${(free_bytes / 1024 ** 3).toFixed(1)} GiB free below ${existing}`;
  if (free_bytes >= LOW_SPACE_BYTES) return ok("space", message);
  return { check: "space", status: "warning", message, hint: "make room, or look at `rootloom gc --dry-run`" };
}

function nearestExisting(path: string, exists: (path: string) => boolean): string {
  if (path === "/" || exists(path)) return path;
  return nearestExisting(path.slice(0, path.lastIndexOf("/")) || "/", exists);
}

async function findingsText(
  findings: readonly Finding[],
  options: { readonly color: boolean; readonly width: number },
): Promise<string> {
  const { painter, table } = await import("../report/paint.ts");
  const paint = painter(options.color);
  const styles = { ok: "green", note: "cyan", warning: "yellow", error: "red" } as const;
  const rows = findings.map(({ check, status, message, hint }) => [
    status,
    check,
    hint === "" ? message : `${message} (${hint})`,
  ]);
  const style = (cell: string, row: number, column: number) =>
    column === 0 ? paint(styles[findings[row]?.status ?? "ok"], cell) : cell;
  return `${table(rows, { ...options, style }).join("\n")}\n`;
}

function ok(check: string, message: string): Finding {
  return { check, status: "ok", message, hint: "" };
}
