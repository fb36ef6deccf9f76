import type { CommandDefinition } from "./command.ts";

/** Every command, loaded only when it is run or listed; the order is that of `--help`. */
export const commands: Readonly<Record<string, () => Promise<CommandDefinition>>> = {
  validate: async () => (await import("./validate.ts")).validate,
  plan: async () => (await import("./plan.ts")).plan,
  apply: async () => (await import("./apply.ts")).apply,
  drift: async () => (await import("./drift.ts")).drift,
  status: async () => (await import("./status.ts")).status,
  report: async () => (await import("./report.ts")).report,
  history: async () => (await import("./history.ts")).history,
  explain: async () => (await import("./explain.ts")).explain,
  ls: async () => (await import("./ls.ts")).ls,
  diff: async () => (await import("./diff.ts")).diff,
  approve: async () => (await import("./approve.ts")).approve,
  suspend: async () => (await import("./suspend.ts")).suspend,
  resume: async () => (await import("./resume.ts")).resume,
  trigger: async () => (await import("./trigger.ts")).trigger,
  adopt: async () => (await import("./adopt.ts")).adopt,
  forget: async () => (await import("./forget.ts")).forget,
  enter: async () => (await import("./enter.ts")).enter,
  unmount: async () => (await import("./unmount.ts")).unmount,
  gc: async () => (await import("./gc.ts")).gc,
  doctor: async () => (await import("./doctor.ts")).doctor,
  init: async () => (await import("./init.ts")).init,
  schema: async () => (await import("./schema.ts")).schema,
  import: async () => (await import("./import.ts")).importCommand,
  daemon: async () => (await import("./daemon.ts")).daemon,
};
