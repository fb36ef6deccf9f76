import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { serveControl } from "../../src/daemon/control.ts";
import { createHost } from "../../src/host/real/host.ts";
import { parseRequest } from "../../src/pass/commands.ts";
import { createRandom } from "./random.ts";

const host = createHost({ mountNamespace: "/proc/self/ns/mnt" });
let directory = "";
let server: { close(): Promise<void> };
let answered: unknown[] = [];

/** The control socket as the daemon serves it, but for what a good request would do. */
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "rootloom-fuzz-"));
  answered = [];
  server = await serveControl(host, path(), async (request) => {
    const { command } = parseRequest(request);
    answered.push(command);
    return { exitCode: 0, lines: [] };
  });
});
afterEach(async () => {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

const path = (): string => join(directory, "control.sock");

/** Sends bytes and waits until the other side is done with us; what it said. */
function talk(...parts: readonly (string | Buffer)[]): Promise<string> {
  return new Promise((resolve) => {
    const socket: Socket = connect(path());
    let said = "";
    socket.on("data", (data) => {
      said += String(data);
    });
    socket.on("error", () => undefined); // "close" follows
    socket.on("close", () => resolve(said));
    for (const part of parts) socket.write(part);
    socket.end();
  });
}

const good = `${JSON.stringify({ command: "trigger", arguments: { names: [] } })}\n`;

describe("the control socket answers its next peer as ever after", () => {
  afterEach(async () => {
    expect(await talk(good)).toContain('"exitCode":0');
    expect(answered).toEqual(["trigger"]);
  });

  it("random bytes", async () => {
    const random = createRandom(1);
    for (let count = 0; count < 50; count++) await talk(random.bytes(random.below(2_000)), "\n");
  });

  it("a line that never ends", async () => {
    const megabyte = "x".repeat(1 << 20);
    await talk(...Array.from({ length: 20 }, () => megabyte));
  });

  it("two hundred peers at once, half of which say nothing", async () => {
    const peers = Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? talk() : talk("{")));
    await Promise.all(peers);
  });

  it.each([
    ["an unknown command", { command: "destroy" }, "no command destroy"],
    ["a command of the prototype", { command: "constructor", arguments: {} }, "no command constructor"],
    ["a command that is an object without a text", { command: { toString: 1 } }, "no command object"],
    ["a command of a megabyte", { command: "x".repeat(1 << 20) }, `no command ${"x".repeat(100)}"`],
    ["arguments of the prototype", JSON.parse('{"command":"trigger","arguments":{"__proto__":{"names":[]}}}'), "names"],
    ["arguments that are missing", { command: "gc" }, "age_days is not number"],
    ["nothing but null", null, "no command undefined"],
    ["a list", [[]], "no command undefined"],
    ["nesting without end", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, ""],
  ])("%s", async (_, request, why) => {
    const said = await talk(`${typeof request === "string" ? request : JSON.stringify(request)}\n`);
    if (why !== "") expect(said).toContain(why);
    expect(said.length).toBeLessThan(2_000);
    expect(said).not.toContain('"exitCode":0');
  });

  it("an infinite number of days", async () => {
    const rest = '"limit_bytes":0,"keptRoots":false,"yes":false,"dryRun":true';
    const said = await talk(`{"command":"gc","arguments":{"age_days":1e999,${rest}}}\n`);
    expect(said).toContain("age_days is not number");
  });
});
