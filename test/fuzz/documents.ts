import { compile } from "../../src/compile/compile.ts";
import { type LoadedDocuments, loadDocuments } from "../../src/documents/load.ts";
import { sha256, snapshotOf } from "../documents/snapshot.ts";
import { mutate, type Random } from "./random.ts";

/** One tree of documents must be read within this, on a machine that does other things too. */
const TIME_MS_MAX = 5_000;

const WHOLE: Readonly<Record<string, object>> = {
  Host: { interval: "60s", prune: { maxDeletions: 3 }, drift: { policy: "correct" }, budget: { memory: "1GiB" } },
  Volume: { backend: "loop", size: "1GiB", filesystem: "ext4", label: "a", owner: "root:root", mode: "0755" },
  Root: {
    volume: "a",
    source: { mmdebstrap: { suite: "bookworm", include: ["vim"] } },
    mounts: [
      { target: "/proc", type: "proc" },
      { target: "/srv", type: "bind", source: "/srv", options: ["ro"] },
    ],
    links: [{ path: "/srv/a", to: "b" }],
  },
  KernelConfig: { config: "a.kconfig", fragments: ["b.kconfig"], require: { RD_GZIP: "y" } },
  ArchTarget: { cpu: "x", multilib: true, variables: { A: "b" }, links: [{ path: "/srv/l", to: "m" }] },
  Image: {
    root: "a",
    overlays: ["hardware/a"],
    kernel: "a",
    target: "a",
    exclude: ["var/*"],
    sourceDate: "2024-06-01",
  },
  Overlay: {
    order: 5,
    rules: [{ path: "etc/**", mode: "0600" }],
    nodes: [{ path: "dev/x", type: "fifo" }],
    delete: ["a"],
  },
};
const KEYS = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "<<",
  "",
  "path",
  "matrix",
  "0",
  `$${"{target.name}"}`,
];

const ODD_TEXTS: readonly ((random: Random) => string)[] = [
  (random) => random.bytes(random.below(200)).toString("latin1"),
  (random) => random.bytes(random.below(200)).toString("utf8"),
  (random) =>
    random
      .pick(["[", "{", "- ", "? ", "a: ", "&a ", "!!a ", "--- x\n", "*a ", "#\n", "\n", '"', "%"])
      .repeat(1 + random.below(4_000)),
  () =>
    `a: &a [${"x,".repeat(20)}]\n` +
    Array.from({ length: 8 }, (_, index) => `b${index}: &b${index} [*a, *a, *a]\n`).join(""),
  () => "%YAML 1.1\n---\n!!set {a, b}\n",
  () => "!!binary aGFsbG8=\n",
  () => "!!js/function 'x'\n",
  () => "a: 1\na: 2\n",
  () => `x: "${"y".repeat(1 << 20)}"\n`,
  () => "a: &a\n  <<: *a\n",
];

/** A tree that nobody would write: whole documents with parts swapped, texts that are no documents, bytes. */
export function oddTree(random: Random): Record<string, string> {
  const files: Record<string, string> = {};
  for (const [kind, spec] of Object.entries(WHOLE)) {
    const document = { apiVersion: "rootloom/v1", kind, metadata: { name: random.pick(["a", "b", ...KEYS]) }, spec };
    const odd = random.chance(0.8) ? swap(document, random, 0.06) : document;
    const text = JSON.stringify(odd, undefined, random.pick([0, 2]));
    const bytes = random.chance(0.3) ? mutate(Buffer.from(text), random).toString("utf8") : text;
    files[kind === "Overlay" ? "overlays/hardware/a/overlay.yaml" : `${kind}.yaml`] = bytes;
  }
  files["a.kconfig"] = random.chance(0.5) ? "CONFIG_RD_GZIP=y\n" : random.bytes(300).toString("latin1");
  if (random.chance(0.5)) files["odd.yaml"] = random.pick(ODD_TEXTS)(random);
  return files;
}

/** Reads and compiles a tree as a pass does. @throws when a promise about hostile documents is broken. */
export function checkTree(files: Readonly<Record<string, string>>): LoadedDocuments {
  const begun = process.threadCpuUsage();
  const loaded = loadDocuments(snapshotOf(files));
  const defaults = { jobs: 2, memory_bytes: 1024 };
  const { graph, problems } = compile({ ...loaded, state: "/state", baseDirectory: "/work", defaults, digest: sha256 });
  const used = process.threadCpuUsage(begun);
  const took_ms = (used.user + used.system) / 1000;
  if (took_ms > TIME_MS_MAX) throw new Error(`took ${Math.round(took_ms)} ms`);
  for (const { file, line, column, message } of [...loaded.problems, ...problems]) {
    if (file === "" || line < 1 || column < 1 || message === "")
      throw new Error(`a problem without its place: ${message}`);
    if (message.length > 2_000) throw new Error(`a message of ${message.length} characters`);
  }
  if (graph.resources.some(({ name }) => name === "")) throw new Error("a resource without a name");
  if (Object.keys(Object.prototype).length > 0) throw new Error("the prototype of all objects was changed");
  return loaded;
}

export function fuzzDocuments(random: Random): void {
  checkTree(oddTree(random));
}

function swap(value: unknown, random: Random, probability: number): unknown {
  if (random.chance(probability)) return oddValue(random);
  if (Array.isArray(value)) return value.map((item) => swap(item, random, probability));
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([key, member]) => [
    random.chance(probability / 2) ? random.pick(KEYS) : key,
    swap(member, random, probability),
  ]);
  if (random.chance(probability)) members.push([random.pick(KEYS), oddValue(random)]);
  return Object.fromEntries(members);
}

function oddValue(random: Random): unknown {
  const deep = (depth: number): unknown => (depth === 0 ? "x" : [deep(depth - 1)]);
  return random.pick([
    () => null,
    () => true,
    () => 0,
    () => -1,
    () => 1e308,
    () => 2 ** 64,
    () => "",
    () => "../../etc",
    () => "/",
    () => "99999999999999999999TiB",
    () => "x".repeat(random.below(5_000)),
    () => `$${"{target.__proto__}"}`,
    () => random.bytes(20).toString("latin1"),
    () => [],
    () => ({}),
    () => [null, {}, 1],
    () => ({ targets: ["a", "a", "__proto__"] }),
    () => JSON.parse('{"__proto__": {"polluted": 1}}'),
    () => deep(random.below(200)),
  ])();
}
