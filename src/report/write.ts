import type { Files } from "../host/ports.ts";
import type { PassResult } from "../pass/types.ts";
import { toMarkdown } from "./markdown.ts";
import { asReport, type Report } from "./report.ts";

/**
 * Writes `STATE/reports/latest.md` and `latest.json`, each whole or not at all. Called after a pass that
 * did something: a pass of nothing but `keep` writes nothing.
 */
export function writeReports(files: Files, stateDirectory: string, result: PassResult | Report): void {
  const report = asReport(result);
  const directory = `${stateDirectory}/reports`;
  files.makeDirectories(directory, 0o700);
  const owner = files.stat(directory);
  const attributes = { owner: owner?.owner ?? 0, group: owner?.group ?? 0, mode: 0o600 };
  files.writeFile(`${directory}/latest.json`, `${JSON.stringify(report, undefined, 2)}\n`, attributes);
  files.writeFile(`${directory}/latest.md`, toMarkdown(report), attributes);
}
