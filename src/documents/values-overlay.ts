import { relativePathFault } from "./paths.ts";
import type { OverlaySpec } from "./types.ts";
import { checkAttributes, checkDate, type Path, type Report } from "./value-checks.ts";

export function checkOverlay(spec: OverlaySpec, report: Report): void {
  checkDate(spec.sourceDate, ["sourceDate"], report);
  if (spec.into === "root" && (spec.roots ?? []).length === 0) {
    report(["into"], "cannot lay the overlay into a root: no root is named", "add `roots:` with the names of Roots");
  }
  if (spec.into !== "root" && spec.roots !== undefined) {
    report(["roots"], "cannot use `roots`: the overlay is a layer of images", "add `into: root`, or leave `roots` out");
  }
  for (const [index, rule] of (spec.rules ?? []).entries()) {
    checkPath(rule.path, ["rules", index, "path"], report);
    checkAttributes(rule, ["rules", index], report);
    if (rule.owner === undefined && rule.mode === undefined) {
      report(["rules", index], `cannot use the rule for \`${rule.path}\`: it says nothing`, "add `owner` or `mode`");
    }
  }
  for (const [index, directory] of (spec.directories ?? []).entries()) {
    checkPath(directory.path, ["directories", index, "path"], report);
    checkAttributes(directory, ["directories", index], report);
  }
  for (const [index, path] of (spec.delete ?? []).entries()) checkPath(path, ["delete", index], report);
  checkNodes(spec, report);
}

function checkNodes(spec: OverlaySpec, report: Report): void {
  for (const [index, node] of (spec.nodes ?? []).entries()) {
    checkPath(node.path, ["nodes", index, "path"], report);
    checkAttributes(node, ["nodes", index], report);
    const numbers = [node.major, node.minor].filter((number) => number !== undefined).length;
    if (node.type === "fifo" && numbers > 0) {
      report(["nodes", index], `cannot make \`${node.path}\`: a fifo has no numbers`, "leave `major` and `minor` out");
    }
    if (node.type !== "fifo" && numbers < 2) {
      const message = `cannot make \`${node.path}\`: a ${node.type} device needs both numbers`;
      report(["nodes", index], message, "add `major` and `minor`");
    }
  }
}

function checkPath(path: string, at: Path, report: Report): void {
  const fault = relativePathFault(path);
  if (fault === undefined) return;
  report(at, `cannot use the path \`${path}\`: ${fault}`, "write a path inside the overlay, such as etc/motd");
}
