import { createHash } from "node:crypto";
import { chooseAccelerator } from "../boot/accelerator.ts";
import { bootGuest } from "../boot/guest.ts";
import { judge } from "../boot/judge.ts";
import { GUESTS, type KernelStart, type Machine } from "../boot/machine.ts";
import { canonicalJson } from "../core/digest.ts";
import { RootloomError } from "../core/error.ts";
import type { BootCheck, KernelArchitecture } from "../core/resource.ts";
import type { Host } from "../host/ports.ts";
import { BOOT_LOG, readVerdict, VERDICT, type Verdict } from "./artifact/verdict.ts";
import { attributesIn } from "./marked.ts";
import type { ApplyContext } from "./types.ts";

/** What is known of a generation that is to be checked. */
export interface ObservedCheck {
  readonly state: "passed" | "failed" | "unchecked";
  /** Of one that failed: why. */
  readonly message: string;
}

/** What a verdict holds for: another check, or another kernel, and the generation is checked again. */
export function checkKey(check: BootCheck, about: { readonly [fact: string]: string } = {}): string {
  return createHash("sha256")
    .update(canonicalJson({ check: { ...check }, ...about }))
    .digest("hex");
}

/** What an earlier check, of that key, found of the generation in a directory. */
export function knownCheck(
  directory: string,
  key: string,
  { files }: Pick<Host, "files">,
): ObservedCheck & { readonly verdict: Verdict | undefined } {
  const verdict = readVerdict(files, directory);
  if (verdict?.key !== key) return { state: "unchecked", message: "", verdict: undefined };
  return { state: verdict.healthy ? "passed" : "failed", message: verdict.message, verdict };
}

/** @throws RootloomError where nothing is there to boot such a kernel with. */
export function requireGuests(
  name: string,
  architecture: KernelArchitecture,
  { processes }: Pick<Host, "processes">,
): void {
  const { program, package: of } = GUESTS[architecture];
  if (processes.find(program) !== undefined) return;
  throw new RootloomError(`cannot check ${name}: ${program} is not installed`, { hint: `apt-get install ${of}` });
}

/** A boot, and where its verdict is kept. */
export interface Boot {
  readonly directory: string;
  readonly generation: string;
  readonly key: string;
  readonly check: BootCheck;
  readonly machine: Omit<Machine, "accelerator">;
  /** A kernel to ask with whether KVM runs guests. */
  readonly probe: KernelStart["kernel"];
  /** Who may read the log. */
  readonly mode: number;
}

export interface Checked {
  readonly verdict: Verdict;
  /** The last of what the guest printed. */
  readonly lines: readonly string[];
}

/**
 * Checks a generation by `boot` unless that was done under the same key. Returns a line for the report.
 * @throws RootloomError with condition "CheckFailed" for one that failed now or before.
 */
export async function checkOnce(
  id: string,
  about: Pick<Boot, "directory" | "generation" | "key">,
  boot: () => Promise<Checked>,
  { host }: Pick<ApplyContext, "host">,
): Promise<string> {
  const { verdict } = knownCheck(about.directory, about.key, host);
  return requirePassed(id, about, verdict === undefined ? await boot() : { verdict, lines: [] });
}

/** Boots a generation, and keeps the verdict and the log of its console with it. */
export async function bootForVerdict(
  { directory, generation, key, check, machine, probe, mode }: Boot,
  context: ApplyContext,
): Promise<Checked> {
  const { host, cache, signal } = context;
  const { files, clock } = host;
  const accelerator = await chooseAccelerator(probe, machine.architecture, { host, cache, signal });
  context.progress(`booting generation ${generation} (${accelerator})`);
  const timeout_ms = check.timeout_s * 1000;
  const booted = await bootGuest(host, { ...machine, accelerator }, { expect: check.expect, timeout_ms, signal });
  const { console } = booted;
  const { healthy, message } = judge(booted.end, console.complaint, check, booted.duration_ms);
  const checkedAt = new Date(clock.now_ms()).toISOString();
  const verdict: Verdict = { version: 1, key, healthy, message, accelerator, checkedAt };
  const attributes = attributesIn(files, directory, mode);
  files.writeFile(`${directory}/${BOOT_LOG}`, console.log(), attributes);
  files.writeFile(`${directory}/${VERDICT}`, `${JSON.stringify(verdict, undefined, 2)}\n`, attributes);
  return { verdict, lines: console.lastLines(12) };
}

function requirePassed(
  id: string,
  { directory, generation }: Pick<Boot, "directory" | "generation">,
  { verdict, lines }: Checked,
): string {
  if (verdict.healthy) return `boot check passed: ${verdict.message}; ${directory}/${BOOT_LOG}`;
  throw new RootloomError(`cannot make generation ${generation} current: in its boot check it ${verdict.message}`, {
    hint: `see ${directory}/${BOOT_LOG}; it is tried again when an input changes, or by: rootloom trigger ${id}`,
    retry: "waiting",
    condition: "CheckFailed",
    details: lines,
  });
}
