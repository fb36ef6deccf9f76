import { describe, expect, it } from "vitest";
import { GUESTS, type Machine, machineArguments, memoryFor } from "../../src/boot/machine.ts";

const MIB = 1024 ** 2;
const guest: Machine = {
  architecture: "x86_64",
  accelerator: "tcg",
  memory_bytes: 512 * MIB,
  machine: undefined,
  start: { type: "kernel", kernel: "/k", initramfs: "/i", cmdline: "" },
};

describe("a virtual machine", () => {
  it("has a serial line, and no device, network, monitor or reboot beside", () => {
    expect(machineArguments(guest).join(" ")).toBe(
      "-accel tcg,thread=multi -cpu max -m 512M -smp 1 -nodefaults -no-user-config -display none -monitor none " +
        "-serial stdio -no-reboot -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny " +
        "-kernel /k -initrd /i -append console=ttyS0 panic=-1",
    );
  });

  it("takes the host's processor under KVM, and the machine and command line that are declared", () => {
    const arguments_ = machineArguments({
      ...{ ...guest, accelerator: "kvm", machine: "q35" },
      start: { type: "kernel", kernel: "/k", initramfs: "/i", cmdline: "quiet" },
    });
    expect(arguments_.slice(0, 6)).toEqual(["-machine", "q35", "-accel", "kvm", "-cpu", "host"]);
    expect(arguments_.at(-1)).toBe("console=ttyS0 panic=-1 quiet");
  });

  it("starts firmware with variables of its own, and hands it the program, whatever their paths hold", () => {
    const start = { type: "firmware", code: "/c", variables: "/a,b", program: "/p.efi" } as const;
    const arguments_ = machineArguments({ ...guest, start }).join(" ");
    expect(arguments_).toMatch(/^-machine q35 /);
    expect(arguments_).toContain(" -drive if=pflash,format=raw,readonly=on,file=/c ");
    expect(arguments_).toMatch(/ -drive if=pflash,format=raw,file=\/a,,b -kernel \/p.efi$/);
    expect(arguments_).not.toContain("-append");
  });

  it("is one of arm's for kernels of arm64, with its serial line, and runs a kernel that has its initramfs in it", () => {
    const start = { type: "kernel", kernel: "/k", initramfs: undefined, cmdline: "quiet" } as const;
    const arguments_ = machineArguments({ ...guest, architecture: "arm64", start });
    expect(arguments_.slice(0, 2)).toEqual(["-machine", "virt"]);
    expect(arguments_.slice(-4)).toEqual(["-kernel", "/k", "-append", "console=ttyAMA0 panic=-1 quiet"]);
    expect(GUESTS.arm64.program).toBe("qemu-system-aarch64");
    expect(machineArguments({ ...guest, architecture: "i386", start }).join(" ")).toContain("console=ttyS0");
    expect(GUESTS.i386.program).toBe("qemu-system-x86_64");
  });

  it("has memory for twice what is unpacked, the archive and the kernel, and never less than 512 MiB", () => {
    expect(memoryFor(1 * MIB, 2 * MIB)).toBe(512 * MIB);
    expect(memoryFor(200 * MIB, 600 * MIB)).toBe(1536 * MIB);
  });
});
