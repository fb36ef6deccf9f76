import { describe, expect, it } from "vitest";
import { createFakeHost, type FakeHost } from "../../../src/host/fake/host.ts";

async function machine(...commands: readonly (readonly string[])[]): Promise<FakeHost> {
  const host = createFakeHost({ seed: 1 });
  for (const name of ["/srv/shared/in", "/mnt/one", "/mnt/two"]) host.outside.files.makeDirectories(name, 0o755);
  for (const [file = "", ...values] of commands) await host.outside.run(file, ...values);
  return host;
}

function targets(host: FakeHost): readonly string[] {
  return host.files.mounts().flatMap(({ target }) => (target === "/" ? [] : [target]));
}

const BIND = ["mount", "--bind", "/srv/shared", "/mnt/one"];
const FOREIGN = ["mount", "-t", "tmpfs", "theirs", "/srv/shared/in"];

describe("mounts of the fake machine travel as the kernel's do:", () => {
  it.each([
    ["a shared bind", [], true],
    ["a slave", [["mount", "--make-slave", "/mnt/one"]], true],
    ["a private bind", [["mount", "--make-private", "/mnt/one"]], false],
  ])("what is mounted in a shared directory shows in %s, or does not", async (_, change, shows) => {
    const host = await machine(BIND, ...change, FOREIGN);
    expect(targets(host)).toEqual(["/mnt/one", "/srv/shared/in", ...(shows ? ["/mnt/one/in"] : [])]);
  });

  it.each([
    ["a shared bind", [], true],
    ["a slave", [["mount", "--make-slave", "/mnt/one"]], false],
    ["a private bind", [["mount", "--make-private", "/mnt/one"]], false],
  ])("what is mounted in %s shows on the other side, or does not", async (_, change, shows) => {
    const host = await machine(BIND, ...change, ["mount", "-t", "tmpfs", "ours", "/mnt/one/in"]);
    expect(targets(host)).toEqual(["/mnt/one", "/mnt/one/in", ...(shows ? ["/srv/shared/in"] : [])]);
  });

  it("unmounting one end takes the other ends along, but for one in which somebody has mounted something", async () => {
    const host = await machine(BIND, ["mount", "--make-slave", "/mnt/one"], FOREIGN, ["umount", "/srv/shared/in"]);
    expect(targets(host)).toEqual(["/mnt/one"]);
    const busy = await machine(
      BIND,
      ["mount", "--make-slave", "/mnt/one"],
      FOREIGN,
      ["mkdir", "/mnt/one/in/deep"],
      ["mount", "-t", "tmpfs", "ours", "/mnt/one/in/deep"],
      ["umount", "/srv/shared/in"],
    );
    expect(targets(busy)).toEqual(["/mnt/one", "/mnt/one/in", "/mnt/one/in/deep"]);
  });
});
