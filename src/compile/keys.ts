import { type CompileContext, type Expanded, isBelow } from "./context.ts";

/** A key that was committed is everybody's who can read the repository. */
export function refuseKeyOfGit(
  document: Expanded<"Image"> | Expanded<"KernelConfig">,
  path: readonly string[],
  key: string | undefined,
  context: CompileContext,
): void {
  const { baseDirectory } = context;
  if (key === undefined || baseDirectory === undefined || !isBelow(key, baseDirectory)) return;
  const message = `cannot use the key \`${key}\`: it lies in the folder of the documents`;
  context.report(
    document,
    path,
    message,
    "move it to a place that is not in git, and make another: this one may have been seen",
  );
}
