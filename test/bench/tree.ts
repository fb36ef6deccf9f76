import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Makes a root of `files` files, the same for the same number: sizes and compressibility are like those of a distribution. */
export function makeTree(root: string, files: number): void {
  const random = generator(42);
  const words = Array.from({ length: 4_000 }, () => Math.floor(random() * 0xffff_ffff).toString(36));
  for (let index = 0; index < files; index++) {
    const directory = join(root, "usr", `d${index % 61}`, `e${index % 977}`);
    if (index < 61 * 977) mkdirSync(directory, { recursive: true });
    const size = Math.floor(Math.exp(random() * 6.5 + 5.5));
    writeFileSync(join(directory, `file-${index}`), content(size, words, random));
  }
  mkdirSync(join(root, "etc"), { recursive: true });
  mkdirSync(join(root, "proc"), { recursive: true });
  writeFileSync(join(root, "init"), "#!/bin/sh\n", { mode: 0o755 });
}

/** A third of each file is noise, the rest words. */
function content(size: number, words: readonly string[], random: () => number): Buffer {
  const bytes = Buffer.alloc(size);
  let at = 0;
  while (at < size * 0.67)
    at += Math.max(1, bytes.write(`${words[Math.floor(random() * words.length)]} `, at, "latin1"));
  for (; at < size; at++) bytes[at] = random() * 256;
  return bytes;
}

/** Park and Miller's generator: the same numbers for the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state / 0x7fff_ffff;
  };
}
