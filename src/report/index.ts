export { driftJson, driftSteps, driftText } from "./drift.ts";
export { toMarkdown } from "./markdown.ts";
export { planJson } from "./plan-json.ts";
export { type Report, type ReportStep, toJson } from "./report.ts";
export { type Status, statusJson, statusText, verdictOf } from "./status.ts";
export { toText } from "./text.ts";
export { writeReports } from "./write.ts";
