import type { Problem } from "./types.ts";

const TEXT_LENGTH_MAX = 1_000;
/** Of one file: nobody reads more of them, and each is kept in the record and in the report. */
const PROBLEMS_PER_FILE_MAX = 1_000;

/** By file, line and column; a problem that each member of a matrix has is said once. */
export function sortProblems(problems: readonly Problem[]): readonly Problem[] {
  const clipped = problems.map((problem) => clip(problem));
  const unique = new Map(clipped.map((problem) => [JSON.stringify(Object.entries(problem).sort()), problem]));
  return [...unique.values()].sort(
    (left, right) =>
      compareText(left.file, right.file) ||
      left.line - right.line ||
      left.column - right.column ||
      compareText(left.message, right.message),
  );
}

/** The first problems of each file, and one that counts the others. Takes and gives sorted ones. */
export function limitProblems(problems: readonly Problem[]): readonly Problem[] {
  return [...Map.groupBy(problems, ({ file }) => file).values()].flatMap((ofFile) => {
    const left = ofFile.slice(PROBLEMS_PER_FILE_MAX);
    const [first] = left;
    if (first === undefined) return ofFile;
    const message = `cannot list all problems of this file: ${left.length} more follow`;
    return [...ofFile.slice(0, PROBLEMS_PER_FILE_MAX), { ...first, message, hint: "correct the first ones" }];
  });
}

/** A document may hold words of a megabyte: a message quotes no more of them than a person reads. */
function clip(problem: Problem): Problem {
  const { message, hint } = problem;
  if (message.length <= TEXT_LENGTH_MAX && hint.length <= TEXT_LENGTH_MAX) return problem;
  return { ...problem, message: shorten(message), hint: shorten(hint) };
}

function shorten(text: string): string {
  return text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX)}...`;
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
