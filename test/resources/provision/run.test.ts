import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ProvisionResource, ProvisionStep } from "../../../src/core/resource.ts";
import { masker, openLog } from "../../../src/resources/provision/log.ts";
import { runStep } from "../../../src/resources/provision/run.ts";
import { stepScript } from "../../../src/resources/provision/script.ts";
import { Machine } from "../machine.ts";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.close());

function provisioned(more: Partial<ProvisionStep> = {}): { resource: ProvisionResource; step: ProvisionStep } {
  const step: ProvisionStep = {
    ...{ name: "a step", where: "host", work: { type: "script", text: "true" }, environment: {}, secrets: {} },
    ...{ timeout_s: 60, key: "k" },
    ...more,
  };
  const path = join(machine.state, "root");
  const root = { id: "tree/r", name: "r", path, volumePath: machine.state };
  return {
    step,
    resource: { name: "r", root, mounts: [], resolvConf: "keep", steps: [step] } as unknown as ProvisionResource,
  };
}
const run = (more: Partial<ProvisionStep>): Promise<string> => {
  const { resource, step } = provisioned(more);
  return runStep(resource, step, undefined, machine.applyContext());
};

describe("the log of a step", () => {
  const place = (runId: string) => ({ state: machine.state, root: "r", runId, step: "a step" });

  it("masks each secret and each of its lines, the longest first, and nothing that is too short to be one", () => {
    expect(masker(["long-secret", "secret", "two\nlines", "ab"])("a long-secret, a secret, lines, ab")).toBe(
      "a ****, a ****, ****, ab",
    );
  });

  it("ends when it is full, goes on to tell the last lines, and the oldest of a root go", () => {
    const { files } = machine.host;
    const log = openLog(place("00"), "# head", [], files);
    const line = "x".repeat(1024 * 1024);
    for (let count = 0; count < 20; count++) log.line(`${count}${line}`);
    log.close();
    const text = readFileSync(log.path, "utf8");
    expect([text.startsWith("# head\n"), text.length < 18 * 1024 * 1024]).toEqual([true, true]);
    expect(text.endsWith("... it printed more than is kept\n")).toBe(true);
    expect(log.last().at(-1)?.startsWith("19x")).toBe(true);
    for (let count = 1; count < 45; count++) openLog(place(String(count).padStart(2, "0")), "", [], files).close();
    const names = readdirSync(join(machine.state, "logs/provision/r"));
    expect([names.length, names[0]]).toEqual([40, "05-a_step.log"]);
  });
});

describe("the script of a step", () => {
  it("sets the variables of the document behind the change into the root only, and starts from an empty environment", () => {
    const { resource, step } = provisioned({ where: "root" });
    const environment = { LD_PRELOAD: "/evil.so", QUOTED: "it's" };
    const script = stepScript(machine.applyContext(), {
      resource,
      step,
      commands: [["a b", "$c"]],
      environment,
      resolvConf: undefined,
    });
    expect(script.outer).not.toMatch(/LD_PRELOAD|QUOTED|a b/);
    expect(script.outer).toMatch(/exec \S+\/env -i \S+\/chroot \S+\/root \/bin\/sh -s 3<\/dev\/null$/);
    expect(script.inner).toContain(
      "export LD_PRELOAD=/evil.so\nexport QUOTED='it'\\''s'\n'a b' '$c' <&3 3<&- || exit $?\n",
    );
  });
});

describe("a step on the host", () => {
  it("finds the root's place in its environment, and nothing of the service's", async () => {
    process.env.OF_THE_SERVICE = "hush";
    mkdirSync(join(machine.state, "root"));
    await run({ work: { type: "script", text: 'test -z "$OF_THE_SERVICE"; touch "$ROOTLOOM_ROOT/made"' } });
    delete process.env.OF_THE_SERVICE;
    expect(existsSync(join(machine.state, "root/made"))).toBe(true);
  });

  it("is told with its masked last lines when it fails", async () => {
    const secret = join(machine.state, "secret");
    writeFileSync(secret, "sesame\n", { mode: 0o600 });
    const failing = run({ work: { type: "script", text: 'echo "it is $TOKEN"; exit 7' }, secrets: { TOKEN: secret } });
    await expect(failing).rejects.toMatchObject({
      message: "cannot finish step a step of root r: exit 7: it is ****",
      retry: "terminal",
      details: ["it is ****", expect.stringMatching(/^log: .*a_step\.log$/)],
    });
  });

  it("is not begun with a secret that is not there, or that others can read", async () => {
    const secret = join(machine.state, "secret");
    await expect(run({ secrets: { TOKEN: secret } })).rejects.toMatchObject({
      retry: "waiting",
      condition: "SecretMissing",
    });
    writeFileSync(secret, "sesame\n", { mode: 0o644 });
    await expect(run({ secrets: { TOKEN: secret } })).rejects.toThrow(/can be read by others/);
  });
});
