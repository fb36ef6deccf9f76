import { choice, fields, flag, type JsonSchema, list, MODE, OWNER, text, texts } from "./common.ts";

const VALUES = (description: string): JsonSchema => ({
  type: "object",
  description,
  additionalProperties: { type: "string" },
});

const PACKAGES = fields(
  {
    adapter: choice(["apt", "portage", "command"], "Who installs and removes, and says what is installed."),
    install: texts("Packages that are installed: apt names with =version, portage atoms."),
    remove: texts("Packages that are not."),
    refresh: flag("apt: update the lists of packages first. Default true."),
    recommends: flag("apt: install what is recommended, too. Default false."),
    commands: fields(
      {
        list: text("command: a shell script that prints the name of each installed package on a line of its own."),
        install: text('command: a shell script that installs what its arguments name ("$@").'),
        remove: text("command: a shell script that removes what its arguments name."),
      },
      "The scripts of the adapter command.",
      ["list", "install", "remove"],
    ),
  },
  "Packages that are in the root, and packages that are not.",
  ["adapter"],
);

const STEP = fields(
  {
    name: text("What it is called in plans, reports and logs."),
    run: {
      type: ["string", "array"],
      minLength: 1,
      minItems: 1,
      items: { type: "array", minItems: 1, items: { type: "string" } },
      description:
        "A script for /bin/sh, which ends at the first command that fails; or commands, each a list of words.",
    },
    packages: PACKAGES,
    on: choice(["root", "host"], "Where it runs. host: only where the host's limits say `hostCommands: true`."),
    inputs: texts("Files of the documents' folder: a change of one runs the step again."),
    env: VALUES("Variables of its environment."),
    secrets: VALUES(
      "Variables of its environment whose value is read from a file of the host, and masked in what it prints.",
    ),
    timeout: text('How long it may take: "10m", "1h" (default), "90s".'),
  },
  "One step: exactly one of `run` and `packages`.",
  ["name"],
);

/** What is done inside a root once it stands. */
export const PROVISION: JsonSchema = fields(
  {
    files: list(
      fields(
        {
          path: text("Absolute path inside the root."),
          from: { ...texts("Files of the documents' folder, joined in this order."), minItems: 1 },
          mode: MODE,
          owner: OWNER,
        },
        "A file of the root that is put together from parts.",
        ["path", "from"],
      ),
      "Files put together from parts, written before the steps.",
    ),
    steps: list(STEP, "Run in this order; only what changed, and what comes after it, runs again."),
    resolvConf: choice(
      ["host", "keep"],
      "host (default): while a step runs, the root has the host's /etc/resolv.conf. keep: its own.",
    ),
  },
  "What is done inside the root once it stands.",
);
