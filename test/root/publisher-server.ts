/**
 * A web server for tests of downloads: `node publisher-server.ts FOLDER KEY CERTIFICATE` serves the files of a folder over https: and
 * http: on ports of loopback, which it prints. Each request is a line of FOLDER/requests. The first part of a path may ask for a fault:
 * /cut/ ends the connection halfway, each time; /plain/ knows no ranges; /busy/ answers 503 once for each file; /down/ leads to http:.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createServer as createPlain, type RequestListener, type ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

const [folder = "", key = "", certificate = ""] = process.argv.slice(2);
const busy = new Set<string>();
let httpPort = 0;

const answer: RequestListener = (request, response) => {
  const [, fault = "", name = fault] = /^\/(?:(cut|plain|busy|down)\/)?(.*)$/.exec(request.url ?? "") ?? [];
  appendFileSync(join(folder, "requests"), `${request.url} ${request.headers.range ?? "whole"}\n`);
  const path = join(folder, name.split("?")[0] ?? "");
  if (fault === "down") response.writeHead(302, { location: `http://localhost:${httpPort}/${name}` }).end();
  else if (!existsSync(path)) response.writeHead(404).end();
  else if (fault === "busy" && !busy.has(name)) {
    busy.add(name);
    response.writeHead(503).end();
  } else send(readFileSync(path), fault, request.headers.range, response);
};

function send(bytes: Buffer, fault: string, range: string | undefined, response: ServerResponse): void {
  const start = fault === "plain" ? 0 : Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
  if (start >= bytes.length) return void response.writeHead(416).end();
  const rest = bytes.subarray(start);
  const headers = {
    "content-length": rest.length,
    "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
  };
  response.writeHead(start > 0 ? 206 : 200, headers);
  if (fault !== "cut") return void response.end(rest);
  response.write(rest.subarray(0, Math.ceil(rest.length / 2)), () => response.destroy());
}

const plain = createPlain(answer).listen(0, "127.0.0.1", () => {
  httpPort = (plain.address() as AddressInfo).port;
  const secure = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, answer);
  secure.listen(0, "127.0.0.1", () => {
    console.log(JSON.stringify({ https: (secure.address() as AddressInfo).port, http: httpPort }));
  });
});
