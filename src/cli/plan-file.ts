import { resolve } from "node:path";
import { RootloomError } from "../core/error.ts";
import type { Session } from "../pass/types.ts";
import type { Report } from "../report/report.ts";

/** A plan as `plan --out` keeps it: what it is checked by, and its steps for whoever reads it. */
interface PlanFile {
  readonly format: "rootloom-plan/1";
  readonly revision: string;
  readonly planDigest: string;
}

/** Writes a plan file, 0600: `apply FILE` refuses it when the commit or the host has moved. */
export function writePlanFile(session: Session, directory: string, file: string, report: Report): void {
  if (report.revision === "" || report.documentProblems.length > 0) {
    throw new RootloomError(`cannot write ${file}: only a plan of a valid commit can be applied`, {
      hint: "commit first, and leave out --worktree",
    });
  }
  const { revision, planDigest } = report;
  const content = { format: "rootloom-plan/1", revision, planDigest, steps: report.steps };
  const attributes = { owner: session.host.processes.userId, group: 0, mode: 0o600 };
  session.host.files.writeFile(resolve(directory, file), `${JSON.stringify(content, undefined, 2)}\n`, attributes);
}

/** @throws RootloomError when it is no plan file. */
export function readPlanFile(session: Session, directory: string, file: string): PlanFile {
  const text = session.host.files.readText(resolve(directory, file));
  if (text === undefined) throw new RootloomError(`cannot read ${file}: there is no such file`);
  try {
    const value = JSON.parse(text) as PlanFile;
    if (value.format === "rootloom-plan/1" && typeof value.planDigest === "string") return value;
  } catch {
    // Said below, together with JSON of another shape.
  }
  throw new RootloomError(`cannot use ${file}: it is no plan file`, { hint: "make one: rootloom plan --out FILE" });
}
