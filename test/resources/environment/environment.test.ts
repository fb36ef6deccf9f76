import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EnvironmentResource } from "../../../src/core/resource.ts";
import type { Draft, PlanContext } from "../../../src/core/step.ts";
import {
  environmentExecutors,
  environmentObserver,
  environmentPlanner,
} from "../../../src/resources/environment/index.ts";
import { renderEnvironment } from "../../../src/resources/environment/render.ts";
import { Machine } from "../machine.ts";

let machine: Machine;
let environment: EnvironmentResource;
const around: PlanContext = { actionOf: () => undefined, adoptions: new Set() };

beforeEach(() => {
  machine = new Machine();
  const path = join(machine.state, "i686.env");
  environment = {
    id: "environment/i686",
    kind: "environment",
    name: "i686",
    identity: `path:${path}`,
    dependsOn: [],
    origin: { document: "ArchTarget/i686", file: "desired/targets/i686.yaml", line: 4, column: 5 },
    protect: false,
    onDelete: "destroy",
    path,
    variables: { TRIPLET: "i686-pc-linux-gnu", CFLAGS: "-O2 'quoted' $HOME" },
    mode: 0o644,
  };
});
afterEach(() => machine.close());

async function plan(context: PlanContext = around): Promise<Draft> {
  const owned = machine.records.get(environment.id);
  const observed = await environmentObserver.observe(environment, owned, machine.observeContext());
  return environmentPlanner.plan(environment, observed, owned, context);
}

async function planRemoval(): Promise<Draft> {
  const record = machine.records.get(environment.id)!;
  const observed = await environmentObserver.observeRemoved(record, machine.observeContext());
  return environmentPlanner.planRemoval(record, observed);
}

async function apply(draft: Draft) {
  const executors: Record<string, unknown> = environmentExecutors;
  return machine.apply(environment, draft, executors[draft.operation] as never);
}

describe("an environment file", () => {
  test("is written, read back by a shell as declared, and kept by the next plan", async () => {
    expect(await plan()).toMatchObject({ operation: "environment.write", action: "create", reason: "new" });
    await apply(await plan());
    const script = '. "$0"; printf "%s\\n%s" "$TRIPLET" "$CFLAGS"';
    const text = execFileSync("sh", ["-c", script, environment.path], { encoding: "utf8" });
    expect(text).toBe("i686-pc-linux-gnu\n-O2 'quoted' $HOME");
    expect((await plan()).operation).toBe("keep");
  });

  test("holds any value so that a shell reads the same", () => {
    const value = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0"));
    fc.assert(
      fc.property(value, (text) => {
        const file = renderEnvironment({ VALUE: text }, machine.instance, "i686");
        const read = execFileSync("sh", ["-c", `${file}printf %s "$VALUE"; echo .`], { encoding: "utf8" });
        expect(read).toBe(`${text}.\n`);
      }),
      { numRuns: 40 },
    );
  });

  test("that was edited is corrected; the variable is named and its value is not", async () => {
    await apply(await plan());
    writeFileSync(environment.path, readFileSync(environment.path, "utf8").replace("-O2", "-O3"));
    const draft = await plan();
    expect(draft).toMatchObject({
      cause: "corrective",
      reason: "CFLAGS was changed by hand",
      details: ["CFLAGS differs"],
    });
    expect(JSON.stringify({ ...draft, arguments: {} })).not.toContain("-O3");
    await apply(draft);
    expect((await plan()).operation).toBe("keep");
  });

  test("of which a commit changed a variable is updated on purpose", async () => {
    await apply(await plan());
    environment = { ...environment, variables: { ...environment.variables, TRIPLET: "other" } };
    expect(await plan()).toMatchObject({ cause: "intentional", reason: "TRIPLET changed" });
  });

  test("whose mode was changed by hand is corrected", async () => {
    await apply(await plan());
    chmodSync(environment.path, 0o666);
    expect(await plan()).toMatchObject({ cause: "corrective", reason: "mode is 0666, 0644 is declared" });
    await apply(await plan());
    expect(statSync(environment.path).mode & 0o7777).toBe(0o644);
  });

  test("whose record was lost gets it back", async () => {
    await apply(await plan());
    machine.records.clear();
    expect(await plan()).toMatchObject({ operation: "environment.write", cause: "corrective" });
    await apply(await plan());
    expect((await plan()).operation).toBe("keep");
  });

  test.each([
    [{ "a-b": "x" }, '"a-b" is no name of a variable'],
    [{ A: "x\0y" }, "the value of A holds a NUL byte"],
  ])("of %j is refused", async (variables, why) => {
    environment = { ...environment, variables };
    expect((await plan()).blocked?.message).toContain(why);
    await expect(apply(await plan())).rejects.toThrow(why);
  });
});

describe("what is not ours", () => {
  test("a file is refused and left", async () => {
    writeFileSync(environment.path, "A=1\n");
    const draft = await plan();
    expect(draft.blocked?.hint).toBe("rootloom adopt environment/i686, or move it away");
    await expect(apply({ ...draft, action: "update" })).rejects.toThrow("was not made by Rootloom");
    expect(readFileSync(environment.path, "utf8")).toBe("A=1\n");
  });

  test("a file of another installation is refused", async () => {
    writeFileSync(environment.path, renderEnvironment(environment.variables, "f".repeat(32), "i686"));
    expect((await plan()).blocked?.condition).toBe("Refused");
  });

  test("a file that was adopted is replaced, and kept beside", async () => {
    writeFileSync(environment.path, "A=1\n");
    await apply(await plan({ ...around, adoptions: new Set(["environment/i686"]) }));
    expect(readFileSync(`${environment.path}.before-rootloom`, "utf8")).toBe("A=1\n");
    expect((await plan()).operation).toBe("keep");
  });

  test("a directory is refused, adopted or not", async () => {
    mkdirSync(environment.path);
    const draft = await plan({ ...around, adoptions: new Set(["environment/i686"]) });
    expect(draft.blocked?.hint).toBe(`move ${environment.path} away`);
  });
});

describe("a removed declaration", () => {
  test("removes the file while it is as we wrote it", async () => {
    await apply(await plan());
    const draft = await planRemoval();
    expect(draft.operation).toBe("environment.delete");
    await apply(draft);
    expect(existsSync(environment.path)).toBe(false);
  });

  test("leaves a file that was edited", async () => {
    await apply(await plan());
    const draft = await planRemoval();
    writeFileSync(environment.path, `${readFileSync(environment.path, "utf8")}B=2\n`);
    expect((await planRemoval()).operation).toBe("forget");
    await apply(draft);
    expect(existsSync(environment.path)).toBe(true);
  });
});
