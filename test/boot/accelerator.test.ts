import { beforeEach, describe, expect, it } from "vitest";
import { chooseAccelerator } from "../../src/boot/accelerator.ts";
import { RootloomError } from "../../src/core/error.ts";
import type { Clock, Command, Files, Processes } from "../../src/host/ports.ts";

/** What this host has: the device, what a guest prints under it, and which boot of the host it is. */
let host: { hasDevice: boolean; says: string | undefined; boot: string };
let files: Map<string, string>;
let probes: readonly string[][];
beforeEach(() => {
  host = { hasDevice: true, says: "[    0.0] Linux version 6.1\n", boot: "boot-1" };
  files = new Map();
  probes = [];
});

/** QEMU under KVM prints what the host says, or hangs. */
async function run({ arguments: words, onOutput, signal }: Command): Promise<never> {
  probes = [...probes, [...words]];
  if (host.says !== undefined) await onOutput?.(Buffer.from(host.says));
  if (signal?.aborted !== true)
    await new Promise((resolve) => signal?.addEventListener("abort", resolve, { once: true }));
  throw new RootloomError("cannot run qemu: cancelled", { retry: "transient" });
}

/** Time that passes at once for a guest that hangs, and never for one that prints. */
const clock = {
  elapsed_ms: () => 0,
  sleep: (_: number, signal?: AbortSignal) =>
    host.says === undefined
      ? Promise.resolve()
      : new Promise<void>((_resolve, reject) =>
          signal?.addEventListener("abort", () => reject(new RootloomError("cannot wait: cancelled")), { once: true }),
        ),
};
const store = {
  stat: (path: string) => (path === "/dev/kvm" && !host.hasDevice ? undefined : { type: "file" }),
  readText: (path: string) => (path.endsWith("boot_id") ? `${host.boot}\n` : files.get(path)),
  makeDirectories: () => undefined,
  writeFile: (path: string, text: string) => files.set(path, text),
};
const choose = (architecture: "x86_64" | "arm64" = "x86_64") =>
  chooseAccelerator("/k", architecture, {
    host: {
      processes: { run } as unknown as Processes,
      clock: clock as unknown as Clock,
      files: store as unknown as Files,
    },
    cache: "/cache",
    signal: undefined,
  });

describe("the accelerator of a guest", () => {
  it("is KVM where a probe really boots under it, asked once until the host boots again", async () => {
    expect(await choose()).toBe("kvm");
    expect(probes[0]?.join(" ")).toMatch(/-accel kvm .*-kernel \/k/);
    expect(await choose()).toBe("kvm");
    expect(probes).toHaveLength(1);
    host = { ...host, boot: "boot-2", says: undefined };
    expect(await choose()).toBe("tcg");
    expect(probes).toHaveLength(2);
  });

  it("is TCG where the device is there and guests hang", async () => {
    host.says = undefined;
    expect(await choose()).toBe("tcg");
    expect(probes).toHaveLength(1);
    expect(await choose()).toBe("tcg");
    expect(probes).toHaveLength(1);
  });

  it("is TCG without a probe where there is no such device, and is asked for each QEMU of its own", async () => {
    host.hasDevice = false;
    expect([await choose(), probes]).toEqual(["tcg", []]);
    host.hasDevice = true;
    expect([await choose(), await choose("arm64"), await choose("arm64")]).toEqual(["kvm", "kvm", "kvm"]);
    expect(probes).toHaveLength(2);
  });
});
