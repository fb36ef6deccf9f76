import { project } from "../kit.ts";
import { behaviours, matrixText, show } from "./conformance.ts";
import { runInLvmGuest } from "./lvm-guest.ts";
import { lvmStages } from "./stage-lvm.ts";
import { stages } from "./stages.ts";

const GUEST_MS = 45 * 60_000;

/**
 * The conformance suite as a program, for a guest and for people: `node test/storage/main.ts [--backend NAME]...
 * (`lvm` is both `lvm-ext4` and `lvm-thin-xfs`)
 * [--only TEXT] [--part K/N]`: all, those whose name has the text, every N-th from the K-th. Prints each behaviour as it is shown, and
 * the matrix when all were; exits with 1 when one failed.
 */
async function main(words: readonly string[]): Promise<number> {
  const wanted = words.flatMap((word, index) => (words[index - 1] === "--backend" ? [word] : []));
  const only = words[words.indexOf("--only") + 1] ?? "";
  const filter = words.includes("--only") ? only : "";
  const [part = 1, parts = 1] = (words.includes("--part") ? (words[words.indexOf("--part") + 1] ?? "") : "1/1")
    .split("/")
    .map(Number);
  const isWanted = (name: string) => wanted.some((each) => name === each || name.startsWith(`${each}-`));
  const chosen = stages.filter(({ name }) => wanted.length === 0 || isWanted(name));
  if (chosen.length === 0) throw new Error(`no such backend; there are ${stages.map(({ name }) => name).join(", ")}`);
  let failed = 0;
  for (const stage of chosen) {
    const missing = stage.missing();
    if (missing !== undefined && lvmStages.includes(stage) && process.env.ROOTLOOM_TEST_DISKS === undefined) {
      failed += await inGuest(stage.name, words);
      continue;
    }
    if (missing !== undefined) {
      console.log(`${stage.name}: not run here: ${missing}`);
      failed += 1;
      continue;
    }
    const storage = await stage.open();
    try {
      for (const [index, name] of Object.keys(behaviours).entries()) {
        if (name in stage.cannot || !name.includes(filter) || index % parts !== part - 1) continue;
        const start_ms = performance.now();
        const error = await show(storage, name).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        if (error !== undefined) failed += 1;
        const took = `${Math.round(performance.now() - start_ms)} ms`;
        console.log(`${stage.name}: ${error === undefined ? "ok" : "FAILED"}: ${name} (${took})`);
        if (error !== undefined) console.log(error);
      }
    } finally {
      await storage.close();
    }
  }
  // It says what was shown: of a part, or beside a failure, it would say more.
  if (failed === 0 && filter === "" && parts === 1) console.log(`\n${matrixText(chosen)}`);
  if (failed > 0) console.log(`${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** The same of a backend that needs a guest; returns 1 when it failed there. */
async function inGuest(backend: string, words: readonly string[]): Promise<number> {
  const rest = words.filter((word, index) => word !== "--backend" && words[index - 1] !== "--backend");
  const quoted = rest.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const script = `cd ${project} && ${process.execPath} --no-warnings test/storage/main.ts --backend ${backend} ${quoted}\n`;
  const guest = await runInLvmGuest({ script, timeout_ms: GUEST_MS, disks_mib: [40_960, 40_960] });
  console.log(guest.log.replace(/\n\| behaviour[\s\S]*$/, ""));
  if (guest.exitCode === -1) console.log(guest.console);
  guest.remove();
  return guest.exitCode === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
