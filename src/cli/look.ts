import type { Flags } from "../configuration.ts";
import type { PassResult, Session } from "../pass/types.ts";
import type { Report, ReportStep } from "../report/report.ts";
import type { CliContext } from "./command.ts";
import { ownView } from "./own-view.ts";

export interface Look {
  readonly session: Session;
  readonly result: PassResult;
  readonly report: Report;
  /** The steps of the names that were asked for; all, where none was. */
  readonly shown: readonly ReportStep[];
}

export interface LookOptions {
  readonly flags?: Flags;
  /** Where the state is another user's, plans as if nothing had been made; otherwise that is an error. */
  readonly withoutState?: boolean;
}

/** A pass that only plans: reads, and leaves the host and the state as they were. */
export async function look(
  context: CliContext,
  names: readonly string[],
  { flags = {}, withoutState = false }: LookOptions = {},
): Promise<Look> {
  const opened = await context.session(flags);
  // Threads start while the pass's own modules are loaded.
  opened.host.jobs.prepare("looks");
  const { session, notes } = withoutState ? await ownView(opened) : { session: opened, notes: [] };
  const [{ runPass }, { passRequest }, { resolveNames }, { toJson }, { interruption }] = await Promise.all([
    import("../pass/pass.ts"),
    import("../pass/request.ts"),
    import("../pass/names.ts"),
    import("../report/report.ts"),
    import("./interruption.ts"),
  ]);
  const { signal, release } = interruption(session.host, () => undefined);
  try {
    const passed = await runPass(session, passRequest({ trigger: "command", mode: "plan", signal }));
    const result = { ...passed, notes: [...passed.notes, ...notes] };
    const report = toJson(result);
    if (report.documentProblems.length > 0) return { session, result, report, shown: [] };
    const wanted = new Set(
      resolveNames(
        names,
        report.steps.map((step) => step.id),
      ),
    );
    return { session, result, report, shown: report.steps.filter((step) => wanted.has(step.id)) };
  } finally {
    release();
  }
}
