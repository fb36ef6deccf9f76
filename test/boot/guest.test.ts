import { describe, expect, it } from "vitest";
import { bootGuest } from "../../src/boot/guest.ts";
import { judge } from "../../src/boot/judge.ts";
import type { Machine } from "../../src/boot/machine.ts";
import { RootloomError } from "../../src/core/error.ts";
import type { Command, Finished, Processes } from "../../src/host/ports.ts";
import { createClock } from "../../src/host/real/clock.ts";

const machine: Machine = {
  ...{ architecture: "x86_64", accelerator: "tcg", memory_bytes: 2 ** 29, machine: undefined },
  start: { type: "kernel", kernel: "/k", initramfs: "/i", cmdline: "" },
};

/** A QEMU that prints these parts, and then ends, or runs on until it is ended. */
function qemu(
  parts: readonly string[],
  then: "ends" | "runs on" | "fails",
): { readonly processes: Processes; ended: boolean } {
  const made = { processes: {} as Processes, ended: false };
  const run = async ({ onOutput, signal }: Command): Promise<Finished> => {
    for (const part of parts) await onOutput?.(Buffer.from(part));
    if (then === "fails") throw new RootloomError("cannot run qemu: exit 1: cannot set up guest memory");
    if (then === "runs on" && signal?.aborted !== true)
      await new Promise((resolve) => signal?.addEventListener("abort", resolve, { once: true }));
    made.ended = true;
    if (signal?.aborted === true) throw new RootloomError("cannot run qemu: cancelled", { retry: "transient" });
    return { exitCode: 0, stdout: "", stderr: "" };
  };
  made.processes = { run } as Processes;
  return made;
}

const boot = ({ processes }: { readonly processes: Processes }, timeout_ms = 60_000, signal?: AbortSignal) =>
  bootGuest({ processes, clock: createClock() }, machine, { expect: "OK", timeout_ms, signal });

describe("a guest", () => {
  it("is ended as soon as it printed what is waited for", async () => {
    const guest = qemu(["[ 1.0] booting\n", "O", "K\n"], "runs on");
    expect((await boot(guest)).end).toBe("seen");
    expect(guest.ended).toBe(true);
  });

  it("that ends by itself is not waited for, and one that says nothing is given up after its time", async () => {
    expect((await boot(qemu(["no\n"], "ends"))).end).toBe("ended");
    const guest = qemu(["no\n"], "runs on");
    expect((await boot(guest, 50)).end).toBe("late");
    expect(guest.ended).toBe(true);
  });

  it("is ended by a signal, which says nothing of it", async () => {
    const stop = new AbortController();
    const guest = qemu(["no\n"], "runs on");
    const booting = boot(guest, 60_000, stop.signal);
    stop.abort();
    await expect(booting).rejects.toThrow();
    expect(guest.ended).toBe(true);
  });

  it("that QEMU cannot run at all is tried again: that says nothing of it either", async () => {
    await expect(boot(qemu([], "fails"))).rejects.toMatchObject({
      message: "cannot boot a guest: cannot run qemu: exit 1: cannot set up guest memory",
      retry: "transient",
    });
  });
});

describe("the verdict on a guest", () => {
  const check = { expect: "OK", timeout_s: 60 };

  it("is that it is well when it printed what is expected", () => {
    expect(judge("seen", undefined, check, 2_345)).toEqual({ healthy: true, message: 'printed "OK" after 2.3 s' });
  });

  it.each([
    [
      "seen",
      "[    1.234567] Initramfs unpacking failed: write error",
      'printed "OK", but its kernel complained before (Initramfs unpacking failed: write error)',
    ],
    ["ended", undefined, 'ended without printing "OK"'],
    [
      "ended",
      "Kernel panic - not syncing: No init",
      'ended without printing "OK" (Kernel panic - not syncing: No init)',
    ],
    ["late", undefined, 'did not print "OK" within 60 s'],
  ] as const)("is that it is not when it was %s and the kernel said %s", (end, complaint, message) => {
    expect(judge(end, complaint, check, 2_345)).toEqual({ healthy: false, message });
  });
});
