import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RootloomError } from "../../src/core/error.ts";
import { failCalls } from "../../src/host/fake/faults.ts";
import type { Change } from "../../src/host/fake/git-objects.ts";
import type { FakeHost } from "../../src/host/fake/host.ts";
import type { PassResult } from "../../src/pass/types.ts";
import { toText } from "../../src/report/text.ts";
import { DESIRED, exampleHost, STATE } from "../host/fake/example.ts";
import { pass } from "./session.ts";

/** One random change that leaves the tree valid: a file of an overlay, an image, a link, a policy. */
interface Edit {
  readonly path: string;
  readonly content: Change;
}

const name = fc.constantFrom("a", "b", "c");
const text = fc.constantFrom("one\n", "two\n", "three\n");
const images = (codec: string, root: string): string =>
  `apiVersion: rootloom/v1\nkind: Image\nmetadata: {name: ${root}}\nspec:\n  root: debian\n  compression: {codec: ${codec}}\n`;

const edits: fc.Arbitrary<Edit> = fc.oneof(
  fc
    .tuple(fc.constantFrom("common", "hardware/qemu", "hardware/other"), name, fc.option(text))
    .map(([overlay, file, content]) => ({
      path: `desired/overlays/${overlay}/etc/${file}.conf`,
      content: content ?? null,
    })),
  fc.tuple(name, fc.option(fc.constantFrom("gzip", "zstd", "none"))).map(([image, codec]) => ({
    path: `desired/images/${image}.yaml`,
    content: codec === null ? null : images(codec, image),
  })),
  fc.tuple(name, fc.boolean()).map(([file, present]) => ({
    path: `desired/overlays/hardware/live/opt/${file}`,
    content: present ? `${file} of the live root\n` : null,
  })),
  fc.constantFrom("correct", "report").map((policy) => ({
    path: "desired/host.yaml",
    content: `apiVersion: rootloom/v1\nkind: Host\nmetadata: {name: example}\nspec: {drift: {policy: ${policy}}}\n`,
  })),
);

const LIVE = {
  "desired/overlays/hardware/live/overlay.yaml":
    "apiVersion: rootloom/v1\nkind: Overlay\nmetadata: {name: hardware/live}\nspec: {into: root, roots: [debian]}\n",
  "desired/overlays/hardware/live/opt/always": "always\n",
} satisfies Record<string, Change>;

function changes(result: PassResult): readonly string[] {
  return result.plan.steps
    .filter(({ action }) => action !== "keep")
    .map(({ action, id, reason }) => `${action} ${id}: ${reason}`);
}

/** Only paths that are there can be removed from a commit. */
function commit(host: FakeHost, batch: readonly Edit[], present: Map<string, boolean>): void {
  const changed: Record<string, Change> = {};
  for (const { path, content } of batch) {
    if (content === null && present.get(path) !== true) delete changed[path];
    else changed[path] = content;
  }
  for (const [path, content] of Object.entries(changed)) present.set(path, content !== null);
  if (Object.keys(changed).length > 0) host.repository.commit(changed, { message: "an edit" });
}

/** Transactions, and files and links that changed below the state directory; the cache may change. */
function writesToState(calls: FakeHost["calls"]): readonly string[] {
  return calls
    .filter(({ name: call, arguments: values }) =>
      call.startsWith("stores.transaction") || call === "stores.run"
        ? true
        : /^files[./](write|rename|remove|openWriter|setAttributes|makeDirectory$)/.test(call) &&
          JSON.stringify(values).includes(STATE),
    )
    .map(({ name: call, arguments: values }) => `${call} ${JSON.stringify(values)}`);
}

describe("apply, then plan", () => {
  it("is all keep and writes nothing, whatever was committed before", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(edits, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
        async (history) => {
          const host = exampleHost({ seed: 7 }, LIVE);
          const present = new Map<string, boolean>();
          for (const batch of history) {
            commit(host, batch, present);
            const applied = await pass(host, "apply");
            expect(applied.documentProblems).toEqual([]);
            expect(
              applied.outcomes.filter(({ error }) => error !== undefined).map(({ error }) => error?.message),
            ).toEqual([]);
            await host.advance(5_000);
            expect(changes(await pass(host, "plan"))).toEqual([]);
            const calls = host.calls.length;
            expect((await pass(host, "apply")).result).toBe("converged");
            expect(writesToState(host.calls.slice(calls))).toEqual([]);
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it("corrects whatever somebody changed behind its back, and is all keep again", async () => {
    const targets = [
      `${STATE}/volumes/builds/root/opt/always`,
      `${STATE}/artifacts/debian/current/initramfs.cpio.gz`,
      `${STATE}/volumes/builds/root/etc/debian_version`,
    ];
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(targets.length - 1), { minLength: 1 }), text, async (which, content) => {
        const host = exampleHost({ seed: 7 }, LIVE);
        await pass(host, "apply");
        await host.advance(5_000);
        for (const index of which) host.outside.writeFile(targets[index] ?? "", content);
        const planned = await pass(host, "plan");
        expect(changes(planned).length).toBeGreaterThanOrEqual(which.length);
        expect(
          planned.plan.steps.filter(({ action }) => action !== "keep").every(({ cause }) => cause === "corrective"),
        ).toBe(true);
        expect((await pass(host, "apply")).result).toBe("converged");
        await host.advance(5_000);
        expect(changes(await pass(host, "plan"))).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });
});

describe("a pass", () => {
  it("says that it could not check what it could not look at, which is not the same as having found it whole", async () => {
    const host = exampleHost();
    await pass(host, "apply");
    const deaf = host.restart({ faults: failCalls("jobs.run", () => new RootloomError("cannot read the disk")) });
    const applied = await pass(deaf, "apply");
    expect(applied.result).toBe("waiting");
    expect(applied.outcomes.find(({ step }) => step.id === "tree/debian")?.status).toBe("skipped");
    expect(toText(applied, { color: false, width: 200 })).toContain("the root debian could not be checked");
  });

  it("plans nothing while the committed tree is invalid, and leaves everything as it is", async () => {
    const host = exampleHost();
    await pass(host, "apply");
    const before = host.files.readLink(`${STATE}/artifacts/debian/current`);
    host.repository.commit({ "desired/images/debian.yaml": "kind: Image\n" }, { message: "broken" });
    const broken = await pass(host, "apply");
    expect(broken.result).toBe("invalid");
    expect(broken.plan.steps).toEqual([]);
    expect(host.files.readLink(`${STATE}/artifacts/debian/current`)).toBe(before);
  });

  it("says what is not committed and does not apply it", async () => {
    const host = exampleHost();
    await pass(host, "apply");
    host.repository.edit({ "desired/overlays/common/etc/motd": "edited\n" });
    await host.advance(5_000);
    const planned = await pass(host, "plan");
    expect(planned.uncommitted.map((path) => path.replace(`${DESIRED}/`, ""))).toEqual([
      "desired/overlays/common/etc/motd",
    ]);
    expect(changes(planned)).toEqual([]);
  });

  it("takes the stricter of an old and a new limit of deletions that came in one commit", async () => {
    const link = (path: string): string => `    - {path: ${STATE}/links/${path}, to: /elsewhere}\n`;
    const volume = (links: readonly string[]): string =>
      `apiVersion: rootloom/v1\nkind: Volume\nmetadata: {name: builds}\nspec:\n  backend: directory\n${links.length > 0 ? `  links:\n${links.map(link).join("")}` : ""}`;
    const policy = (limit: number): string =>
      `apiVersion: rootloom/v1\nkind: Host\nmetadata: {name: example}\nspec: {prune: {maxDeletions: ${limit}}}\n`;
    const host = exampleHost({}, { "desired/volumes/builds.yaml": volume(["a", "b"]), "desired/host.yaml": policy(1) });
    host.outside.files.makeDirectories(`${STATE}/links`);
    expect((await pass(host, "apply")).result).toBe("converged");
    host.repository.commit(
      { "desired/volumes/builds.yaml": volume([]), "desired/host.yaml": policy(9) },
      { message: "all at once" },
    );
    const refused = await pass(host, "apply");
    expect(refused.plan.problems.map(({ message }) => message)).toContain(
      "2 deletions are planned, at most 1 are allowed in one pass",
    );
    expect(host.files.readLink(`${STATE}/links/a`)).toBe("/elsewhere");
    // The daemon's timer comes round with the same commit: it must not take its own new limit for the old one.
    const again = await pass(host, "apply");
    expect(again.plan.problems).toEqual(refused.plan.problems);
    expect(host.files.readLink(`${STATE}/links/a`)).toBe("/elsewhere");

    host.repository.commit({ "desired/volumes/builds.yaml": volume(["a", "b"]) }, { message: "the limit by itself" });
    expect((await pass(host, "apply")).result).toBe("converged");
    host.repository.commit({ "desired/volumes/builds.yaml": volume([]) }, { message: "now they go" });
    expect((await pass(host, "apply")).result).toBe("converged");
    expect(host.files.readLink(`${STATE}/links/a`)).toBeUndefined();
  });

  it("ends at the next safe point when a newer commit waits, and the next pass takes over", async () => {
    const host = exampleHost();
    let steps = 0;
    const result = await pass(host, "apply", { superseded: () => ++steps > 2 });
    expect(result.result).toBe("interrupted");
    expect(result.outcomes.some(({ status }) => status === "interrupted")).toBe(true);
    expect((await pass(host, "apply")).result).toBe("converged");
  });
});
