/**
 * A tree of 5,000 documents with 200 errors: 2,500 volumes with a root each; one volume in 25 has a mistyped backend,
 * and its root names a volume that is not there.
 * @returns texts by path, so many documents in each
 */
export function manyDocuments(documentsInFile: number): Readonly<Record<string, string>> {
  const documents = Array.from({ length: 2_500 }, (_, index) => {
    const name = `n${index}`;
    const broken = index % 25 === 0;
    const head = (kind: string): string => `apiVersion: rootloom/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec:\n`;
    return [
      `${head("Volume")}  backend: ${broken ? "directry" : "directory"}\n`,
      `${head("Root")}  volume: ${broken ? `${name}x` : name}\n  source: {existing: {}}\n`,
    ];
  }).flat();
  const files: Record<string, string> = {};
  for (let first = 0; first < documents.length; first += documentsInFile) {
    files[`desired/part-${first}.yaml`] = documents.slice(first, first + documentsInFile).join("---\n");
  }
  return files;
}
