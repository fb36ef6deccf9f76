import { describe, expect, it } from "vitest";
import { namespaceFinding, unitFinding } from "../../src/cli/doctor-service.ts";
import { RootloomError } from "../../src/core/error.ts";
import type { Session } from "../../src/pass/types.ts";

interface Around {
  /** Paths that are there. */
  readonly paths?: readonly string[];
  readonly links?: Readonly<Record<string, string>>;
  /** What `systemctl is-active` says; undefined: it cannot be run. */
  readonly service?: string;
}

function session({ paths = [], links = {}, service }: Around): Session {
  const host = {
    files: {
      stat: (path: string) => (paths.includes(path) ? {} : undefined),
      readLink: (path: string) => {
        if (links[path] === "denied") throw new RootloomError("permission denied");
        return links[path];
      },
    },
    processes: {
      find: (tool: string) => `/usr/bin/${tool}`,
      run: async () => {
        if (service === undefined) throw new RootloomError("cannot run systemctl");
        return { exitCode: service === "active" ? 0 : 3, stdout: `${service}\n`, stderr: "" };
      },
    },
  };
  return { host, configuration: { mountNamespace: "/proc/1/ns/mnt" } } as unknown as Session;
}

describe("doctor, of the service", () => {
  const unit = "/etc/systemd/system/rootloom.service";
  const booted = "/run/systemd/system";

  it.each([
    ["says that passes run by hand only where no unit is installed", { paths: [booted] }, "note", "by hand only"],
    ["is content with an active unit", { paths: [unit, booted], service: "active" }, "ok", "active"],
    ["warns of one that failed", { paths: [unit, booted], service: "failed" }, "warning", "failed"],
    ["warns of one that was not started", { paths: [unit, booted], service: "inactive" }, "warning", "inactive"],
    ["warns where systemd does not answer", { paths: [unit, booted] }, "warning", "cannot run systemctl"],
    ["asks nothing where systemd does not run", { paths: [unit], service: "active" }, "note", "does not run here"],
  ] as const)("%s", async (_name, around, status, message) => {
    const found = await unitFinding(session(around));
    expect(found).toMatchObject({ status, message: expect.stringContaining(message) });
  });
});

describe("doctor, of the mount namespace", () => {
  const own = { "/proc/self/ns/mnt": "mnt:[1]" };

  it.each([
    ["is content with its own", { links: { ...own, "/proc/1/ns/mnt": "mnt:[1]" } }, "ok", "this one"],
    ["notes another", { links: { ...own, "/proc/1/ns/mnt": "mnt:[2]" } }, "note", "runs in another"],
    ["finds that there is none", { links: own }, "error", "there is no mount namespace"],
    [
      "notes that its own stands for one it may not look at",
      { links: { ...own, "/proc/1/ns/mnt": "denied" } },
      "note",
      "of this command",
    ],
  ] as const)("%s", (_name, around, status, message) => {
    expect(namespaceFinding(session(around))).toMatchObject({ status, message: expect.stringContaining(message) });
  });
});
