import { RootloomError } from "../../core/error.ts";
import { ARCHITECTURES } from "../../core/kernel.ts";
import type { KernelResource } from "../../core/resource.ts";
import { openLog, type StepLog } from "../provision/log.ts";
import { withSpace } from "../space.ts";
import type { ApplyContext } from "../types.ts";
import { answeredConfig, checkAnswer, checkSize, writeInput } from "./configure.ts";
import type { EmbeddedImage } from "./inputs.ts";
import { installCommands } from "./modules.ts";
import { INSIDE } from "./paths.ts";
import { buildNeed } from "./room.ts";
import { makeWords, runInside, type Workshop } from "./sandbox.ts";

/** Between two lines that a person is shown. */
const SHOWN_EVERY_MS = 500;
/** Lines from the first error on. */
const SHOWN_LINES = 10;

/** Configures, checks and makes a kernel, with a log. Returns the log's path and the answered configuration. */
export async function makeKernel(
  resource: KernelResource,
  initramfs: EmbeddedImage | undefined,
  workshop: Workshop,
  context: ApplyContext,
): Promise<{ readonly log: string; readonly config: string }> {
  const { host, state, runId, revision } = context;
  const head = `# kernel ${resource.name}, commit ${revision}, run ${runId}, ${workshop.toolchain.version}`;
  const log = openLog({ state, area: "kernel", root: resource.name, runId, step: "build" }, head, [], host.files);
  try {
    writeInput(resource, initramfs, workshop, host.files);
    await configureInside(resource.name, workshop, log, context);
    const config = answeredConfig(workshop, host.files);
    checkAnswer(resource, config, workshop, host.files);
    checkSize(resource, config, initramfs, workshop);
    const { target } = ARCHITECTURES[workshop.toolchain.architecture];
    const { modules } = resource;
    const targets = [target, ...(modules === undefined ? [] : ["modules"])];
    const make = makeWords(workshop, [`--jobs=${resource.jobs}`, ...targets]);
    const install = modules === undefined ? [] : installCommands(makeWords(workshop, []), modules);
    await withSpace(context, await buildNeed(resource, config, initramfs, workshop, context), async () => {
      for (const words of [make, ...install])
        await step(`cannot build kernel ${resource.name}`, words, { workshop, log, context });
    });
    return { log: log.path, config };
  } finally {
    log.close();
  }
}

/** Lets Kconfig answer for every symbol that the configuration leaves open, without asking; and the same in short. */
export async function configureInside(
  name: string,
  workshop: Workshop,
  log: Pick<StepLog, "line" | "path">,
  context: ApplyContext,
): Promise<void> {
  const copy = ["cp", `${INSIDE.input}/config`, `${INSIDE.build}/.config`];
  const failure = `cannot configure kernel ${name}`;
  await step(failure, copy, { workshop, log, context });
  for (const target of ["olddefconfig", "savedefconfig"])
    await step(failure, makeWords(workshop, [target]), { workshop, log, context });
}

interface At {
  readonly workshop: Workshop;
  readonly log: Pick<StepLog, "line" | "path">;
  readonly context: ApplyContext;
}

async function step(failure: string, words: readonly string[], { workshop, log, context }: At): Promise<void> {
  const { host, signal } = context;
  const first: string[] = [];
  const last: string[] = [];
  let shown_ms = -SHOWN_EVERY_MS;
  log.line(`$ ${words.join(" ")}`);
  const onLine = (text: string): void => {
    const line = log.line(text);
    if ((first.length > 0 || isError(line)) && first.length < SHOWN_LINES) first.push(line);
    last.push(line);
    if (last.length > SHOWN_LINES) last.shift();
    const now_ms = host.clock.elapsed_ms();
    if (now_ms - shown_ms < SHOWN_EVERY_MS) return;
    shown_ms = now_ms;
    context.progress(line.trim().slice(0, 120));
  };
  const exitCode = await runInside(workshop, words, { host, signal, onLine });
  if (exitCode === 0) return;
  const told = first.length > 0 ? first : last;
  throw new RootloomError(`${failure}: ${told[0]?.trim().slice(0, 300) ?? `exit ${exitCode}`}`, {
    hint: "mend the configuration, the source or its patches and commit; or try it again by `rootloom trigger`",
    details: [...told, `log: ${log.path}`],
  });
}

/** What a compiler, a linker or Kconfig says when something is wrong; make's own last words come after it. */
function isError(line: string): boolean {
  return /(^|\s)(fatal )?error: |undefined reference to |: syntax error|No rule to make target|^make(\[\d+\])?: \*\*\* |: (No such file|not found)/.test(
    line,
  );
}
