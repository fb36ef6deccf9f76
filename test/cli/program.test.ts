import { describe, expect, it } from "vitest";
import { nodeFinding } from "../../src/cli/doctor.ts";
import { printFailure } from "../../src/cli/failure.ts";
import { createLog, withPriority } from "../../src/cli/log.ts";
import type { Output } from "../../src/cli/output.ts";
import { createOutput } from "../../src/cli/output.ts";
import { type Parsed, parseArguments } from "../../src/cli/program.ts";
import { bar } from "../../src/cli/progress.ts";
import { showReading } from "../../src/cli/reading.ts";
import { untilText } from "../../src/cli/suspend.ts";
import { commands } from "../../src/cli/table.ts";
import { RootloomError } from "../../src/core/error.ts";
import type { Clock } from "../../src/host/ports.ts";
import { parseRequest } from "../../src/pass/commands.ts";

const names = Object.keys(commands);

async function parse(...argv: readonly string[]): Promise<Parsed & { out: string; error: string }> {
  let [out, error] = ["", ""];
  const streams = {
    out: (text: string) => {
      out += text;
    },
    error: (text: string) => {
      error += text;
    },
  };
  return { ...(await parseArguments(argv, streams, "1.2.3")), out, error };
}

describe("the command line", () => {
  it("has every command of the design", () => {
    const wanted =
      "validate plan apply drift status report history explain ls diff verify approve suspend resume trigger adopt forget enter unmount snapshot snapshots rollback gc kernel-config doctor init schema import daemon";
    expect([...names].sort()).toEqual(wanted.split(" ").sort());
  });

  it.each(names)("%s --help shows an example of itself and exits 0", async (name) => {
    const { exitCode, out } = (await parse(name, "--help")) as { exitCode: number; out: string };
    expect(exitCode).toBe(0);
    const examples = out.slice(out.indexOf("Examples:"));
    expect(examples).toMatch(new RegExp(`^ {2}rootloom( --\\S+ \\S+)* ${name}\\b`, "m"));
  });

  it("lists every command in --help", async () => {
    const { out } = await parse("--help");
    for (const name of names) expect(out).toMatch(new RegExp(`^ {2}${name}\\b`, "m"));
  });

  it("prints its version", async () => {
    expect(await parse("--version")).toMatchObject({ type: "shown", exitCode: 0, out: "1.2.3\n" });
  });

  it("suggests the nearest command and the nearest option, and exits 1", async () => {
    expect(await parse("plna")).toMatchObject({ exitCode: 1, error: expect.stringContaining("Did you mean plan?") });
    expect(await parse("plan", "--jsno")).toMatchObject({
      exitCode: 1,
      error: expect.stringContaining("Did you mean --json?"),
    });
  });

  it("refuses a missing name", async () => {
    expect(await parse("approve")).toMatchObject({
      exitCode: 1,
      error: expect.stringContaining("missing required argument"),
    });
  });

  it("takes global options before and behind the command", async () => {
    for (const argv of [
      ["--state", "/s", "plan", "a", "--json"],
      ["plan", "a", "--json", "--state", "/s"],
    ]) {
      expect(await parse(...argv)).toMatchObject({
        type: "run",
        flags: { state: "/s" },
        given: { names: ["a"], options: { json: true } },
      });
    }
  });

  it("takes the value of a global option for no command", async () => {
    expect(await parse("--state", "apply", "plan")).toMatchObject({
      command: { name: "plan" },
      flags: { state: "apply" },
    });
  });

  it("hands what stands behind -- to the command inside a root", async () => {
    expect(await parse("enter", "debian", "--", "ls", "-l", "--state")).toMatchObject({
      given: { names: ["debian", "ls", "-l", "--state"] },
      flags: {},
    });
  });
});

describe("a failure", () => {
  const print = (thrown: unknown, debug = false) => {
    let text = "";
    const error = (part: string) => {
      text += part;
    };
    const exitCode = printFailure(thrown, { error }, debug);
    return { exitCode, text };
  };

  it("is printed as error, details and hint, and exits 1", () => {
    const error = new RootloomError("cannot mount /x: busy", { hint: "end 42", details: ["mount /x"] });
    expect(print(error)).toEqual({ exitCode: 1, text: "error: cannot mount /x: busy\n  mount /x\nhint: end 42\n" });
  });

  it("of a held lock exits 5", () => {
    expect(print(new RootloomError("cannot take the lock", { condition: "Locked" })).exitCode).toBe(5);
  });

  it("that nobody expected shows its stack at log level debug only", () => {
    expect(print(new TypeError("x is not a function")).text).not.toContain("    at ");
    expect(print(new TypeError("x is not a function"), true).text).toContain("    at ");
  });
});

describe("output", () => {
  it("goes on without a reader: a closed pipe never stops the work", () => {
    const handlers: ((error: NodeJS.ErrnoException) => void)[] = [];
    const written: string[] = [];
    const stream = {
      write: (text: string) => written.push(text),
      on: (_: "error", handler: never) => handlers.push(handler),
    };
    const errors: string[] = [];
    const output = createOutput(stream, { write: (text) => errors.push(text), on: () => undefined }, { color: true });
    output.write("one");
    handlers[0]?.(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    output.write("two");
    expect([written, errors, output.color]).toEqual([["one"], [], false]);
  });
});

describe("logs", () => {
  it("are JSON lines, with a priority in front for journald", async () => {
    const lines: string[] = [];
    const log = await createLog({ level: "info", journal: true, write: (line) => lines.push(line) });
    log.debug("quiet");
    log.warn({ id: "tree/a" }, "look");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^<4>\{"level":40,"time":"\d{4}-.*"id":"tree\/a","msg":"look"\}\n$/);
    expect([60, 50, 30, 20].map((level) => withPriority(`{"level":${level}}`).slice(0, 3))).toEqual([
      "<2>",
      "<3>",
      "<6>",
      "<7>",
    ]);
  });
});

describe("small parts", () => {
  it("--until takes a date or a duration from now", async () => {
    const now_ms = Date.UTC(2026, 10, 21, 8);
    expect(await Promise.all(["2h", "2026-12-01T08:00Z", undefined].map((text) => untilText(text, now_ms)))).toEqual([
      "2026-11-21T10:00:00.000Z",
      "2026-12-01T08:00:00.000Z",
      "",
    ]);
  });

  it("a reading shows bytes and time left once it takes longer than two seconds, on a terminal that it is not listed on", () => {
    const written: string[] = [];
    let elapsed_ms = 0;
    const clock = { elapsed_ms: () => elapsed_ms } as Clock;
    const output = { errorTerminal: true, terminal: true, width: 120, error: (text: string) => written.push(text) };
    const { progress, end } = showReading(output as unknown as Output, clock, "/boot/initrd");
    for (const [at_ms, done] of [
      [1900, 40e6],
      [2000, 50e6],
      [2050, 51e6],
    ] as const) {
      elapsed_ms = at_ms;
      progress(done, 100e6);
    }
    expect(written).toEqual([expect.stringMatching(/… █+░+ 50%, .* of .*, 2\.0 s, 2\.0 s left: \/boot\/initrd$/)]);
    end();
    expect(written.at(-1)).toBe("\r\x1b[2K");
    elapsed_ms = 0;
    const listed = showReading(output as unknown as Output, clock, "/boot/initrd", true);
    elapsed_ms = 9000;
    listed.progress(1, 2);
    expect(written).toHaveLength(2);
  });

  it("a progress bar never runs over its end", () => {
    expect(bar({ done: 3, total: 2 }, 5000)).toBe(`${"█".repeat(16)} 100%, 5.0 s`);
    expect(bar({ done: 0, total: 0 }, 5000)).toBe("5.0 s");
  });

  it("a progress bar tells bytes and the time that is left", () => {
    const event = { done: 30 << 20, total: 120 << 20, unit: "bytes" } as const;
    expect(bar(event, 5000)).toBe(`${"█".repeat(4)}${"░".repeat(12)} 25%, 30.0 MiB of 120.0 MiB, 5.0 s, 15.0 s left`);
    expect(bar({ done: 1, total: 4 }, 2000)).toBe(`${"█".repeat(4)}${"░".repeat(12)} 25%, 2.0 s, 6.0 s left`);
  });

  it("a Node with the fixes is fine, an older one a note", () => {
    expect(["26.12.1", "27.0.0", "26.10.0"].map((version) => nodeFinding(version).status)).toEqual([
      "ok",
      "ok",
      "note",
    ]);
  });
});

describe("a request over the socket", () => {
  it("is taken when it is whole", () => {
    const request = { command: "apply", arguments: { yes: false, planDigest: null } };
    expect(parseRequest(request)).toBe(request);
  });

  it("is refused by name when it is not", () => {
    expect(() => parseRequest({ command: "aply", arguments: {} })).toThrow(
      expect.objectContaining({
        message: expect.stringContaining("no command aply"),
        hint: expect.stringContaining("apply"),
      }),
    );
    expect(() => parseRequest({ command: "approve", arguments: { names: "x", who: "", why: "" } })).toThrow(
      "names is not a list of strings",
    );
    expect(() => parseRequest("hello")).toThrow("there is no command undefined");
    expect(() => parseRequest({ command: "__proto__", arguments: {} })).toThrow("there is no command");
  });
});
