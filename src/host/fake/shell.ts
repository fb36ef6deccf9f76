import type { Answer } from "./processes.ts";

/**
 * Runs a small part of the shell's language: simple commands one after another (new lines, `;`, `&&`, `||`),
 * quotes, `$1`, `"$@"`, `exec`, `shift`, `set -e`. Anything else fails loudly.
 */
export async function runScript(
  script: string,
  values: readonly string[],
  start: (file: string, values: readonly string[]) => Promise<Answer>,
  stopAtFailure: boolean,
): Promise<Answer> {
  let parameters = values.slice(1);
  let stop = stopAtFailure;
  let last = 0;
  let output = { stdout: "", stderr: "" };
  for (const { words, joint } of parseScript(script)) {
    if ((joint === "&&" && last !== 0) || (joint === "||" && last === 0)) continue;
    const plain = words.flatMap((word) => expand(word, values[0] ?? "sh", parameters));
    if (plain[0] === "exec") plain.shift();
    const [file = "true", ...rest] = plain;
    if (file === "exit") return { ...output, exitCode: Number(rest[0] ?? last) };
    if (file === "shift") {
      parameters = parameters.slice(Number(rest[0] ?? 1));
      continue;
    }
    if (file === "set") stop = rest.some((word) => /^-[a-z]*e/.test(word)) || stop;
    const answer = file === "set" ? {} : await start(file, rest);
    last = answer.exitCode ?? 0;
    output = { stdout: output.stdout + (answer.stdout ?? ""), stderr: output.stderr + (answer.stderr ?? "") };
    if (last !== 0 && stop && joint !== "||") break;
  }
  return { ...output, exitCode: last };
}

interface SimpleCommand {
  readonly words: readonly Piece[][];
  readonly joint: ";" | "&&" | "||";
}
type Piece = { readonly text: string; readonly literal: boolean };

function parseScript(script: string): readonly SimpleCommand[] {
  const commands: SimpleCommand[] = [];
  let words: Piece[][] = [];
  let joint: SimpleCommand["joint"] = ";";
  const pattern = /\s*(?:(#[^\n]*)|(&&|\|\||[;\n])|((?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s;&|'"\\#<>()`])+))|\s+$/gy;
  const finish = (next: string): void => {
    if (words.length > 0) commands.push({ words, joint });
    words = [];
    joint = next === "&&" || next === "||" ? next : ";";
  };
  let position = 0;
  const text = script.replaceAll("\\\n", " ").replace(/[ \t]*\n[ \t]*/g, "\n;");
  while (position < text.length) {
    pattern.lastIndex = position;
    const match = pattern.exec(text);
    if (match === null) throw new Error(`the fake shell does not know what this means: ${text.slice(position)}`);
    position = pattern.lastIndex;
    if (match[2] !== undefined) finish(match[2]);
    else if (match[3] !== undefined) words.push(pieces(match[3]));
  }
  finish(";");
  return commands;
}

function pieces(word: string): Piece[] {
  const found: Piece[] = [];
  for (const [piece] of word.matchAll(/'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^'"\\]+/gs)) {
    if (piece.startsWith("'")) found.push({ text: piece.slice(1, -1), literal: true });
    else if (piece.startsWith('"'))
      found.push({ text: piece.slice(1, -1).replace(/\\(["\\])/g, "$1"), literal: false });
    else if (piece.startsWith("\\")) found.push({ text: piece.slice(1), literal: true });
    else found.push({ text: piece, literal: false });
  }
  return found;
}

function expand(word: readonly Piece[], name: string, parameters: readonly string[]): readonly string[] {
  if (word.length === 1 && word[0]?.text === "$@") return parameters;
  const text = word.map((piece) => {
    if (piece.literal) return piece.text;
    return piece.text.replace(/\$(?:\{(\w+)\}|(\w+)|(.?))/g, (whole, braced, bare) => {
      const key: string | undefined = braced ?? bare;
      if (key === undefined || !/^\d+$/.test(key)) throw new Error(`the fake shell does not expand ${whole}`);
      return key === "0" ? name : (parameters[Number(key) - 1] ?? "");
    });
  });
  return [text.join("")];
}
