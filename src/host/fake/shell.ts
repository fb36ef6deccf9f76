import { notEmulated } from "./errno.ts";
import type { Answer } from "./processes.ts";

export type StartCommand = (file: string, values: readonly string[]) => Promise<Answer>;

/**
 * Runs a small part of the shell's language: simple commands joined by new lines, `;`, `&&`, `||`,
 * groups in braces, quotes, `$1`, `"$@"`, `exec`, `exit`, `shift`, `set -e`, `>&2`. Anything else fails loudly.
 * @param values `$0` and what follows the script.
 */
export async function runScript(
  script: string,
  values: readonly string[],
  start: StartCommand,
  stopAtFailure: boolean,
): Promise<Answer> {
  const shell: Shell = {
    name: values[0] ?? "sh",
    parameters: values.slice(1),
    start,
    stop: stopAtFailure,
    exited: false,
    last: 0,
    stdout: "",
    stderr: "",
  };
  await runList(shell, parseScript(script));
  return { exitCode: shell.last, stdout: shell.stdout, stderr: shell.stderr };
}

interface Shell {
  readonly name: string;
  parameters: readonly string[];
  readonly start: StartCommand;
  stop: boolean;
  exited: boolean;
  last: number;
  stdout: string;
  stderr: string;
}

async function runList(shell: Shell, list: readonly Item[]): Promise<void> {
  for (const [index, { joint, body }] of list.entries()) {
    if (shell.exited) return;
    if ((joint === "&&" && shell.last !== 0) || (joint === "||" && shell.last === 0)) continue;
    if ("group" in body) await runList(shell, body.group);
    else await runSimple(shell, body.words);
    // What stands before && or || is a question, whose answer "no" ends nothing.
    const next = list[index + 1]?.joint;
    if (shell.stop && shell.last !== 0 && next !== "&&" && next !== "||") shell.exited = true;
  }
}

async function runSimple(shell: Shell, words: readonly Word[]): Promise<void> {
  const toErrors = words.some((word) => word.length === 1 && word[0]?.literal === false && word[0].text === ">&2");
  const plain = words.filter((word) => word[0]?.text !== ">&2").flatMap((word) => expand(word, shell));
  const isLast = plain[0] === "exec";
  const [file = "true", ...rest] = isLast ? plain.slice(1) : plain;
  if (file === "exit") {
    shell.last = Number(rest[0] ?? shell.last);
    shell.exited = true;
  } else if (file === "shift") shell.parameters = shell.parameters.slice(Number(rest[0] ?? 1));
  else if (file === "set") shell.stop ||= rest.some((word) => /^-[a-z]*e/.test(word));
  else {
    const { exitCode = 0, stdout = "", stderr = "" } = await shell.start(file, rest);
    shell.last = exitCode;
    shell.stderr += toErrors ? stdout + stderr : stderr;
    if (!toErrors) shell.stdout += stdout;
  }
  if (isLast) shell.exited = true;
}

interface Item {
  readonly joint: ";" | "&&" | "||";
  readonly body: { readonly words: readonly Word[] } | { readonly group: readonly Item[] };
}
type Word = readonly { readonly text: string; readonly literal: boolean }[];

const TOKEN =
  /[ \t]*(?:#[^\n]*|(&&|\|\||[;\n])|([{}])(?=[\s;]|$)|(>&2)|((?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s;&|'"\\<>()`])+)|$)/gsy;

function parseScript(script: string): readonly Item[] {
  const open: { readonly list: Item[]; joint: Item["joint"] }[] = [{ list: [], joint: ";" }];
  let words: Word[] = [];
  const finish = (): void => {
    const here = open.at(-1);
    if (words.length > 0 && here !== undefined) {
      here.list.push({ joint: here.joint, body: { words } });
      here.joint = ";";
    }
    words = [];
  };
  const text = script.replaceAll("\\\n", " ");
  for (let position = 0; position < text.length; ) {
    TOKEN.lastIndex = position;
    const match = TOKEN.exec(text);
    if (match === null) throw notEmulated(`this part of a shell script: ${text.slice(position)}`);
    position = TOKEN.lastIndex;
    const [, joint, brace, redirection, word] = match;
    if (word !== undefined) words.push(pieces(word));
    else if (redirection !== undefined) words.push([{ text: redirection, literal: false }]);
    else if (joint !== undefined) {
      finish();
      const here = open.at(-1);
      if (here !== undefined && (joint === "&&" || joint === "||")) here.joint = joint;
    } else if (brace === "{") open.push({ list: [], joint: ";" });
    else if (brace === "}") {
      finish();
      const group = open.pop();
      const here = open.at(-1);
      if (group === undefined || here === undefined) throw notEmulated("a shell script with a brace too many");
      here.list.push({ joint: here.joint, body: { group: group.list } });
      here.joint = ";";
    }
  }
  finish();
  return open[0]?.list ?? [];
}

function pieces(word: string): Word {
  return [...word.matchAll(/'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^'"\\]+/gs)].map(([piece]) => {
    if (piece.startsWith("'")) return { text: piece.slice(1, -1), literal: true };
    if (piece.startsWith('"')) return { text: piece.slice(1, -1).replace(/\\(["\\])/g, "$1"), literal: false };
    return piece.startsWith("\\") ? { text: piece.slice(1), literal: true } : { text: piece, literal: false };
  });
}

function expand(word: Word, shell: Shell): readonly string[] {
  if (word.length === 1 && word[0]?.text === "$@") return shell.parameters;
  const texts = word.map(({ text, literal }) => {
    if (literal) return text;
    return text.replace(/\$(?:\{(\w+)\}|(\w+)|.?)/g, (whole, braced?: string, bare?: string) => {
      const key = braced ?? bare ?? "";
      if (!/^\d+$/.test(key)) throw notEmulated(`the expansion of ${whole} in a shell script`);
      return key === "0" ? shell.name : (shell.parameters[Number(key) - 1] ?? "");
    });
  });
  return [texts.join("")];
}
