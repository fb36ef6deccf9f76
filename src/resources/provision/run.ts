import { asRootloomError, RootloomError } from "../../core/error.ts";
import type { ProvisionResource, ProvisionStep } from "../../core/resource.ts";
import type { ApplyContext } from "../types.ts";
import { openLog, type StepLog } from "./log.ts";
import { packageCommands, packageDifference } from "./packages/index.ts";
import type { ResolvConf } from "./resolv-conf.ts";
import { plainCommands, stepScript } from "./script.ts";

const ANY_EXIT_CODE = Array.from({ length: 256 }, (_, code) => code);
const SECRET_MAX_BYTES = 64 * 1024;
/** Between two lines that a person is shown while a step runs. */
const SHOWN_EVERY_MS = 500;

/**
 * Runs one step of a root to its end, in namespaces of its own: the mounts, the bound resolver file and every process
 * that it leaves behind are gone when it ends, however it ends. What it prints goes to a log, masked. Returns its path.
 * @throws RootloomError with the log's path and the last lines when a command of it fails or its time is over.
 */
export async function runStep(
  resource: ProvisionResource,
  step: ProvisionStep,
  resolvConf: ResolvConf | undefined,
  context: ApplyContext,
): Promise<string> {
  const { host, state, runId, revision } = context;
  const secrets = readSecrets(step, context);
  const named = { state, root: resource.name, runId, step: step.name };
  const head = `# step ${step.name} of root ${resource.name}, commit ${revision}, run ${runId}`;
  const log = openLog(named, head, Object.values(secrets), host.files);
  try {
    const { commands, environment } = await commandsOf(resource, step, context);
    const script = stepScript(context, {
      resource,
      step,
      commands,
      environment: { ...environment, ...step.environment, ...secrets },
      resolvConf: resolvConf === undefined ? undefined : `${resource.root.path}/${resolvConf.place}`,
    });
    const exitCode = await execute(script, { step, log, context });
    if (exitCode !== 0) throw failed(resource, step, log, `exit ${exitCode}`);
    await requirePackages(resource, step, log, context);
    return log.path;
  } finally {
    log.close();
  }
}

async function commandsOf(
  resource: ProvisionResource,
  step: ProvisionStep,
  { host, signal }: ApplyContext,
): Promise<ReturnType<typeof packageCommands>> {
  const { work } = step;
  if (work.type !== "packages") return { commands: plainCommands(step), environment: {} };
  return packageCommands(work, await packageDifference(work, resource.root, host, signal));
}

interface Running {
  readonly step: ProvisionStep;
  readonly log: StepLog;
  readonly context: ApplyContext;
}

async function execute(script: ReturnType<typeof stepScript>, { step, log, context }: Running): Promise<number> {
  const { host, signal } = context;
  let shown_ms = -SHOWN_EVERY_MS;
  const onLine = (text: string): void => {
    const line = log.line(text);
    const now_ms = host.clock.elapsed_ms();
    if (now_ms - shown_ms < SHOWN_EVERY_MS) return;
    shown_ms = now_ms;
    context.progress(`${step.name}: ${line.slice(0, 200)}`);
  };
  context.progress(step.name);
  try {
    const { exitCode } = await host.processes.run({
      file: "sh",
      arguments: ["-c", script.outer],
      directory: "/",
      environment: {},
      input: script.inner,
      privateNamespace: true,
      accept: ANY_EXIT_CODE,
      timeout_ms: step.timeout_s * 1000,
      onLine,
      signal,
    });
    return exitCode;
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    // Its own details hold lines as they were printed; ours are masked.
    const why = asRootloomError(thrown).message.replace(/^cannot run sh: /, "");
    throw new RootloomError(`cannot finish step ${step.name}: ${why}`, { hint: HINT, details: told(log) });
  }
}

/** What a package manager takes for success may be none: a dependency that keeps a package, a name that it did not know. */
async function requirePackages(
  { root }: ProvisionResource,
  step: ProvisionStep,
  log: StepLog,
  { host, signal }: ApplyContext,
): Promise<void> {
  if (step.work.type !== "packages") return;
  const { missing, unwanted } = await packageDifference(step.work, root, host, signal);
  const what = [
    ...missing.map((name) => `${name} is not installed`),
    ...unwanted.map((name) => `${name} is installed`),
  ];
  if (what.length === 0) return;
  throw new RootloomError(
    `cannot finish step ${step.name}: ${what.join(", ")}, though ${step.work.adapter} did not fail`,
    {
      hint: HINT,
      details: told(log),
    },
  );
}

const HINT = "mend the step or what it needs, and commit; or try it again by `rootloom trigger`";

function failed(resource: ProvisionResource, step: ProvisionStep, log: StepLog, end: string): RootloomError {
  const last = log.last().at(-1) ?? "";
  const mount = log.last().find((line) => line.startsWith("rootloom: cannot mount "));
  const why =
    mount === undefined ? `${end}${last === "" ? "" : `: ${last.slice(0, 200)}`}` : mount.slice("rootloom: ".length);
  return new RootloomError(`cannot finish step ${step.name} of root ${resource.name}: ${why}`, {
    hint: HINT,
    details: told(log),
  });
}

function told(log: StepLog): readonly string[] {
  return [...log.last(), `log: ${log.path}`];
}

/** Values of the step's secrets. A line feed at the end of a file is no part of its value. */
function readSecrets({ name, secrets }: ProvisionStep, { host }: ApplyContext): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const [variable, path] of Object.entries(secrets)) {
    const real = host.files.realPath(path) ?? path;
    const stat = host.files.stat(real);
    const refuse = (why: string): RootloomError =>
      new RootloomError(`cannot run step ${name}: the secret ${variable} at ${path} ${why}`, {
        hint: "write it to that file, owned by root, mode 0600",
        retry: "waiting",
        condition: "SecretMissing",
      });
    if (stat?.type !== "file") throw refuse("is not there");
    if ((stat.mode & 0o077) !== 0) throw refuse("can be read by others");
    if (stat.size > SECRET_MAX_BYTES) throw refuse("is too long");
    values[variable] = (host.files.readText(real) ?? "").replace(/\n$/, "");
  }
  return values;
}
