import { absolutePathFault, relativePathFault } from "./paths.ts";
import type { PackagesSpec, ProvisionSpec, ProvisionStepSpec } from "./types-provision.ts";
import { parseInterval } from "./units.ts";
import { checkAttributes, type Path, type Report } from "./value-checks.ts";

/** A script is one argument of a command, and the kernel takes none that is longer than 128 KiB. */
const SCRIPT_MAX_BYTES = 100_000;

/** Provisioning of a root: each text, and which fields go together. */
export function checkProvision(spec: ProvisionSpec | undefined, report: Report): void {
  const paths = new Set<string>();
  for (const [index, file] of (spec?.files ?? []).entries()) {
    const at: Path = ["provision", "files", index];
    const fault = absolutePathFault(file.path);
    if (fault !== undefined)
      report([...at, "path"], `cannot write \`${file.path}\`: ${fault}`, "write an absolute path inside the root");
    if (paths.has(file.path)) report([...at, "path"], `cannot write \`${file.path}\` twice`, "keep one of the two");
    paths.add(file.path);
    checkDesiredPaths(file.from, [...at, "from"], report);
    checkAttributes(file, at, report);
  }
  const names = new Set<string>();
  for (const [index, step] of (spec?.steps ?? []).entries()) {
    const at: Path = ["provision", "steps", index];
    if (!/^[A-Za-z0-9][A-Za-z0-9._ -]{0,62}$/.test(step.name)) {
      const hint = "use letters, digits, dot, dash, underscore and blank, at most 63, and start with a letter or digit";
      report([...at, "name"], `cannot call a step \`${step.name.slice(0, 100)}\``, hint);
    }
    if (names.has(step.name))
      report([...at, "name"], `cannot call two steps \`${step.name}\``, "rename one of the two");
    names.add(step.name);
    checkStep(step, at, report);
  }
}

function checkStep(step: ProvisionStepSpec, at: Path, report: Report): void {
  if ((step.run === undefined) === (step.packages === undefined)) {
    const why = step.run === undefined ? "it says neither `run` nor `packages`" : "it says both `run` and `packages`";
    report(at, `cannot use step ${step.name}: ${why}`, "write one of the two");
  }
  if (step.packages !== undefined && step.on === "host")
    report([...at, "on"], "cannot install packages on the host", "leave `on` out, or write a `run`");
  if (step.packages !== undefined) checkPackages(step.packages, [...at, "packages"], report);
  checkRun(step, at, report);
  checkDesiredPaths(step.inputs ?? [], [...at, "inputs"], report);
  for (const field of ["env", "secrets"] as const)
    for (const [name, value] of Object.entries(step[field] ?? {})) {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
        report(
          [...at, field, name],
          `cannot set the variable \`${name.slice(0, 100)}\`: it is no name`,
          "use letters, digits and _",
        );
      if (value.includes("\0"))
        report([...at, field, name], `cannot set the variable ${name}: it holds a NUL byte`, "take it out");
      const fault = field === "secrets" ? absolutePathFault(value) : undefined;
      if (fault !== undefined)
        report(
          [...at, field, name],
          `cannot read the secret ${name} from \`${value}\`: ${fault}`,
          "write the absolute path of a file of the host",
        );
    }
  if (step.timeout !== undefined && parseInterval(step.timeout) === undefined)
    report(
      [...at, "timeout"],
      `cannot read the timeout \`${step.timeout}\``,
      'write a time such as "90s", "10m" or "1h"',
    );
}

function checkRun({ run, name }: ProvisionStepSpec, at: Path, report: Report): void {
  const texts = typeof run === "string" ? [run] : (run ?? []).flat();
  if (texts.some((each) => each.includes("\0")))
    report([...at, "run"], `cannot run step ${name}: it holds a NUL byte`, "take it out");
  if (new TextEncoder().encode(texts.join(" ")).length > SCRIPT_MAX_BYTES)
    report(
      [...at, "run"],
      `cannot run step ${name}: it is longer than ${SCRIPT_MAX_BYTES} bytes`,
      "put it into a file of an overlay, and run that",
    );
}

function checkPackages(packages: PackagesSpec, at: Path, report: Report): void {
  const { adapter, install = [], remove = [], commands } = packages;
  if (install.length + remove.length === 0)
    report(at, "cannot use `packages`: nothing is to be installed or removed", "add `install` or `remove`");
  for (const field of ["install", "remove"] as const)
    for (const [index, name] of (packages[field] ?? []).entries()) {
      if (!/^-|[\s\u0000-\u001f]/.test(name)) continue;
      const hint = "write one package an item, without blanks, not beginning with a dash";
      report([...at, field, index], `cannot use the package \`${name.slice(0, 100)}\``, hint);
    }
  const both = install.filter((name) => remove.includes(name));
  for (const name of both)
    report([...at, "remove", remove.indexOf(name)], `cannot both install and remove ${name}`, "keep one of the two");
  if ((adapter === "command") !== (commands !== undefined)) {
    const why = commands === undefined ? "its `commands` are missing" : `the adapter ${adapter} has its own`;
    report(
      [...at, "commands"],
      `cannot use the adapter ${adapter} with these commands: ${why}`,
      "`commands` belong to the adapter command",
    );
  }
  for (const field of ["recommends", "refresh"] as const)
    if (packages[field] !== undefined && adapter !== "apt")
      report([...at, field], `cannot use \`${field}\` with the adapter ${adapter}`, "only apt knows it: leave it out");
}

function checkDesiredPaths(paths: readonly string[], at: Path, report: Report): void {
  for (const [index, path] of paths.entries()) {
    const fault = relativePathFault(path);
    if (fault === undefined) continue;
    report([...at, index], `cannot read \`${path}\`: ${fault}`, "write a path in the folder of the documents");
  }
}
