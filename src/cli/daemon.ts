import type { CommandDefinition } from "./command.ts";

export const daemon: CommandDefinition = {
  name: "daemon",
  summary: "the service: converge on start, on a commit, on a timer and when asked",
  examples: [
    [
      "rootloom daemon --state /var/lib/rootloom --desired /srv/host/desired",
      "in the foreground; systemd runs the same",
    ],
  ],
  run: async (context) => {
    const open = await context.opener();
    const session = open();
    const { createLog } = await import("./log.ts");
    const { runDaemon } = await import("../daemon/loop.ts");
    const level = session.configuration.logLevel;
    const log = await createLog({ level, journal: context.journal, write: context.output.error });
    return runDaemon(session, open, log);
  },
};
