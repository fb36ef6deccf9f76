import type { ImageReport } from "./image-report.ts";
import { painter, sizeText, type TextOptions, table } from "./paint.ts";

/** An image report for people. */
export function imageReportText(report: ImageReport, options: TextOptions): string {
  const paint = painter(options.color);
  const lines = [`${paint("bold", report.id)} ${headline(report)}`];
  for (const { title, rows } of sectionsOf(report)) {
    if (rows.length > 0) lines.push(title, ...table(rows, { ...options, indent: 2 }));
  }
  return `${lines.join("\n")}\n`;
}

/** The same as a part of a page. */
export function imageReportMarkdown(report: ImageReport): string {
  const lines = [`# ${report.id}`, "", headline(report)];
  for (const { title, rows } of sectionsOf(report)) {
    if (rows.length === 0) continue;
    lines.push(
      "",
      `## ${title}`,
      "",
      `| ${rows[0]?.map(() => " ").join(" | ")} |`,
      `|${rows[0]?.map(() => "---|").join("")}`,
    );
    for (const row of rows) lines.push(`| ${row.map(cell).join(" | ")} |`);
  }
  return `${lines.join("\n")}\n`;
}

function headline({ generation, createdAt, size_bytes, content_bytes, entries }: ImageReport): string {
  return `generation ${generation} of ${createdAt}: ${sizeText(size_bytes)}, ${sizeText(content_bytes)} of content in ${entries} entries`;
}

interface Section {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
}

function sectionsOf({ layers, directories, largest, since }: ImageReport): readonly Section[] {
  const shares = (list: ImageReport["layers"]) =>
    list.map(({ name, entries, size_bytes }) => [sizeText(size_bytes), `${entries} entries`, name]);
  const sections: Section[] = [
    { title: "by layer", rows: shares(layers) },
    {
      title: "by directory",
      rows: shares(directories).map(([size = "", entries = "", name]) => [size, entries, `/${name}`]),
    },
    { title: "largest files", rows: largest.map(({ path, size_bytes, layer }) => [sizeText(size_bytes), layer, path]) },
  ];
  if (since === null) return sections;
  const { added, removed, changed } = since.totals;
  const before = `since ${since.generation} of ${since.createdAt}`;
  const growth = since.totals.growth_bytes;
  return [
    ...sections,
    {
      title: before,
      rows: [
        ["entries", `${added} added, ${removed} removed, ${changed} changed`],
        ["content", `${growth < 0 ? "-" : "+"}${sizeText(Math.abs(growth))}`],
      ],
    },
    { title: "packed again for", rows: since.causes.map(({ input, what }) => [input, what]) },
    {
      title: "grown",
      rows: since.grown.map(({ path, growth_bytes, layer }) => [`+${sizeText(growth_bytes)}`, layer, path]),
    },
  ];
}

function cell(text: string): string {
  return text.replaceAll("\n", " ").replace(/[<>*_`|\\]/g, (character) => `\\${character}`);
}
