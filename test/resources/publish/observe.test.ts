import { beforeEach, describe, expect, it } from "vitest";
import type { PublishResource } from "../../../src/core/resource.ts";
import type { Command, Host } from "../../../src/host/ports.ts";
import { publishObserver } from "../../../src/resources/publish/observe.ts";
import type { ObserveContext } from "../../../src/resources/types.ts";

const KEY = { type: "file", mode: 0o100600 };
let elapsed_ms = 0;
let commands: Command[] = [];
let name = 0;
beforeEach(() => {
  elapsed_ms = 0;
  commands = [];
  name += 1;
});

const host = {
  files: {
    readLink: () => undefined,
    stat: () => KEY,
    realPath: (path: string) => path,
  },
  clock: { elapsed_ms: () => elapsed_ms },
  processes: {
    run: async (command: Command) => {
      commands.push(command);
      return { exitCode: 0, stdout: "absent\n", stderr: "" };
    },
  },
} as unknown as Host;

function context(more: Partial<ObserveContext> = {}): ObserveContext {
  const limits = { publishHosts: ["images.example.org"], file: "" } as unknown as ObserveContext["limits"];
  return {
    ...{ host, limits, instance: "i", state: "/state", cache: "/cache", signal: undefined, owned: () => undefined },
    ...more,
  };
}

function resource(): PublishResource {
  return {
    ...{ id: `publish/a${name}`, kind: "publish", name: `a${name}`, identity: "x", dependsOn: [] },
    ...{ origin: { document: "", file: "", line: 1, column: 1 }, protect: false, onDelete: "retain" },
    ...{ artifact: "artifact/a", images: "/state/artifacts/a", keep: 3, checked: false, secret: false },
    place: {
      ...{ type: "ssh", host: "images.example.org", port: 2222, user: "publisher", path: "/srv/a" },
      ...{ identityFile: "/etc/k", knownHosts: "/etc/h" },
    },
    ...{ timeout_s: 60, recheck_s: 100 },
  };
}

describe("another machine", () => {
  it("is asked once, and again when `recheck` has passed", async () => {
    const look = () => publishObserver.observe(resource(), undefined, context());
    expect((await look()).state).toBe("absent");
    elapsed_ms = 99_000;
    await look();
    expect(commands).toHaveLength(1);
    elapsed_ms = 101_000;
    await look();
    expect(commands).toHaveLength(2);
  });

  it("is reached by nobody's settings but ours: no question, one key, one proof of its name", async () => {
    await publishObserver.observe(resource(), undefined, context());
    const [command] = commands;
    expect(command?.file).toBe("ssh");
    const words = command?.arguments.join(" ");
    expect(words).toMatch(/^-F none -T -p 2222 -i \/etc\/k /);
    for (const option of ["BatchMode=yes", "StrictHostKeyChecking=yes", "UserKnownHostsFile=/etc/h"])
      expect(words).toContain(`-o ${option}`);
    expect(words).toMatch(/ -- publisher@images\.example\.org sh -s$/);
    expect(command?.input?.split("\n")[0]).toBe("set -- '/srv/a'");
  });

  it("is not asked where this host is offline, or the limits do not list it", async () => {
    const offline = await publishObserver.observe(
      ...([resource(), undefined, context({ network: { offline: true, caFile: undefined } })] as const),
    );
    expect(offline.problem).toMatchObject({ condition: "Waiting", message: expect.stringContaining("offline") });
    const limits = { publishHosts: [], file: "" } as unknown as ObserveContext["limits"];
    const refused = await publishObserver.observe(resource(), undefined, context({ limits }));
    expect(refused.problem).toMatchObject({ condition: "Refused" });
    expect(commands).toEqual([]);
  });
});
