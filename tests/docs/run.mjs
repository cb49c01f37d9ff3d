// Checks the documentation: examples in pages, links, and whether the examples run.
//
//     node tests/docs/run.mjs BROKER [NAME]...   checks all pages, and runs the examples NAME (by default all)
//     node tests/docs/run.mjs --pages            checks the pages only
//
// In a page, `<!-- example: examples/NAME -->` precedes a block that must be equal to the file NAME. With NAME#PART,
// the block must be equal to the lines between the comments [PART] and [/PART]. With NAME#command, the block must be
// the command that starts the broker of the example.
//
// BROKER is the binary. The first lines of an example say how it runs:
//
//     docs-test: broker OPTION...   it runs beside a broker with these options
//     docs-test: no-broker          it runs without a broker
//     docs-test: config             `stompbox check-config --config FILE` must accept it
//     docs-test: nginx              `nginx -t` must accept it
//
// An example runs in a directory of its own, which contains a copy of web/docs/examples. The variable STOMPBOX is the
// path of the binary, which is also in PATH as `stompbox`. STOMPBOX_HTTP_URL and STOMPBOX_TCP_PORT say where the broker
// listens. The example must exit with code 0. If there is a file NAME.out, the standard output of the example must be
// equal to that file. `*` in the file matches any text in a line. The comparison ignores differences between ports of
// the broker, and between random identifiers.
//
// Prints one line for each page and each example, and "N passed, N failed" at the end. Exits with 1 if one failed.

import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkNginx } from './nginx.mjs';
import { Page, exampleText } from './pages.mjs';
import { Broker, run } from './programs.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const DOCS = join(ROOT, 'web/docs');
const EXAMPLES = join(DOCS, 'examples');
const INTEROP = join(ROOT, 'tests/interop');
const VENV = join(INTEROP, '.venv/bin');
/** Number of examples that run at the same time. */
const PARALLEL = 2;
/** Number of lines at the beginning of an example in which the line `docs-test` must be. */
const HEAD_LINES = 5;
/**
 * Programs that run examples, by the ending of the file name. Examples with these endings must have a line `docs-test`.
 */
const RUNNERS = { '.mjs': process.execPath, '.py': join(VENV, 'python'), '.sh': 'bash' };

const temporary = mkdtempSync(join(tmpdir(), 'stompbox-docs-'));
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));

// ---- results ----

let passed = 0;
let failed = 0;

/** Runs a check and prints its result. `action` resolves with a note, or fails with an error or with `Problems`. */
async function check(what, action) {
  const started = Date.now();
  try {
    const note = await action();
    passed += 1;
    console.log(`ok ${what}: ${note} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    const problems = error instanceof Problems ? error.list : [error.stack];
    for (const problem of problems) console.log(`FAILED ${what}: ${problem}`);
  }
}

class Problems extends Error {
  constructor(list) {
    super(list.join('\n'));
    this.list = list;
  }
}

function expectNone(problems) {
  if (problems.length) throw new Problems(problems);
}

// ---- pages ----

function files(directory) {
  const entries = readdirSync(directory, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort();
}

const examples = files(EXAMPLES);
const pagePaths = readdirSync(DOCS).filter((name) => name.endsWith('.md')).sort().map((name) => join(DOCS, name));
const pages = [join(ROOT, 'README.md'), ...pagePaths].map((path) => new Page(path, ROOT));
const nameOf = (file) => relative(EXAMPLES, file);

/** Returns the line of the first difference between two texts, with both versions of the line. */
function difference(actual, wanted) {
  const [there, here] = [actual.split('\n'), wanted.split('\n')];
  const at = there.findIndex((line, number) => line !== here[number]);
  const number = at < 0 ? there.length : at;
  const shown = (line) => (line === undefined ? 'the end' : JSON.stringify(line));
  return `in line ${number + 1}: expected ${shown(here[number])}, found ${shown(there[number])}`;
}

/** Returns the problems of a page's examples. */
function exampleProblems(page) {
  const stray = ({ line, file }) => `line ${line}: expected a fenced block after the example ${file}, found none`;
  const problems = page.strayMarkers.map(stray);
  for (const { line, text, marker } of page.blocks) {
    if (!marker) continue;
    const file = page.exampleFile(marker, DOCS);
    if (!examples.includes(file)) {
      problems.push(`line ${marker.line}: expected the file ${relative(ROOT, file)}, found none in web/docs/examples`);
      continue;
    }
    try {
      const wanted = marker.part === 'command' ? brokerCommand(file) : exampleText(file, marker.part);
      if (text === wanted) continue;
      problems.push(`line ${line}: the block differs from ${relative(ROOT, file)} ${difference(text, wanted)}`);
    } catch (error) {
      problems.push(`line ${marker.line}: ${error.message}`);
    }
  }
  return problems;
}

const anchors = new Map();

/** Returns the anchors of a Markdown file. */
function anchorsOf(path) {
  if (!anchors.has(path)) {
    const page = pages.find((page) => page.path === path) ?? new Page(path, ROOT);
    anchors.set(path, page.anchors());
  }
  return anchors.get(path);
}

function linkProblems(page) {
  return page.links().flatMap(({ target, line }) => {
    const [path, anchor] = decodeURIComponent(target).split('#', 2);
    const file = path ? resolve(dirname(page.path), path) : page.path;
    if (!existsSync(file)) return [`line ${line}: the link ${target}: expected a file, found none`];
    if (!anchor || !file.endsWith('.md') || anchorsOf(file).has(anchor)) return [];
    const known = [...anchorsOf(file)].map((anchor) => `#${anchor}`).join(', ');
    return [`line ${line}: the link ${target}: found no heading #${anchor}. Expected one of ${known}.`];
  });
}

/** Returns a problem for each example that no page shows. Ignores files with expected outputs. */
function hiddenExamples() {
  const filesOf = (page) => page.blocks.flatMap(({ marker }) => (marker ? [page.exampleFile(marker, DOCS)] : []));
  const shown = new Set(pages.flatMap(filesOf));
  const hidden = examples.filter((file) => !file.endsWith('.out') && !shown.has(file));
  return hidden.map((file) => `expected a page that shows ${nameOf(file)}, found none`);
}

async function checkPages() {
  for (const page of pages) {
    await check(page.name, () => {
      expectNone([...exampleProblems(page), ...linkProblems(page)]);
      return `${page.blocks.filter(({ marker }) => marker).length} examples, ${page.links().length} links`;
    });
  }
  await check('web/docs/examples', () => {
    expectNone([...hiddenExamples(), ...strayOutputs()]);
    return `pages show all ${examples.length} files`;
  });
}

// ---- examples ----

/** Returns the kind and the options in the line `docs-test` of an example. Returns `null` if there is no such line. */
function directiveOf(file) {
  const head = readFileSync(file, 'utf8').split('\n', HEAD_LINES).join('\n');
  const found = /docs-test:[ \t]*(\S+)[ \t]*(.*?)[ \t]*(?:-->|\*\/)?$/m.exec(head);
  return found && { kind: found[1], text: found[2], words: words(found[2]) };
}

/** Returns the command that starts the broker of an example, as a page shows it. */
function brokerCommand(file) {
  const directive = directiveOf(file);
  if (directive?.kind !== 'broker') throw new Error(`${nameOf(file)}: expected a line "docs-test: broker", found none`);
  return `stompbox ${directive.text}\n`;
}

/** Splits options as a shell does, with single and double quotes. */
function words(text) {
  const parts = text.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  return parts.map((part) => part.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'));
}

/**
 * Returns the file with the expected output of an example: its name, with or without its ending, followed by `.out`.
 */
function outputOf(file) {
  const candidates = [`${file}.out`, `${file.slice(0, file.length - extname(file).length)}.out`];
  return candidates.find((candidate) => examples.includes(candidate));
}

function strayOutputs() {
  const known = new Set(examples.filter((file) => !file.endsWith('.out') && directiveOf(file)).map(outputOf));
  const stray = examples.filter((file) => file.endsWith('.out') && !known.has(file));
  return stray.map((file) => `${nameOf(file)}: expected an example with this output and a line docs-test, found none`);
}

/** Replaces the parts of an output that differ from run to run: ports of the broker, and identifiers. */
function normalise(text, ports = {}) {
  for (const [scheme, usual] of [['http', '8080'], ['tcp', '61613']]) {
    if (ports[scheme]) text = text.replaceAll(new RegExp(`\\b${ports[scheme]}\\b`, 'g'), usual);
  }
  return text
    .replace(/\b[0-9a-f]{32}\b/g, 'ID')
    .replace(/\b[0-9a-f]{8,16}-\d+\b/g, 'ID')
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .trimEnd();
}

/** Compares an output with the expected one, in which `*` matches any text within a line. */
function compareOutput(file, out, ports) {
  const [actual, wanted] = [normalise(out, ports).split('\n'), normalise(readFileSync(file, 'utf8')).split('\n')];
  const isAsWanted = (line, number) => wanted[number] !== undefined && pattern(wanted[number]).test(line);
  if (actual.length === wanted.length && actual.every(isAsWanted)) return;
  throw new Problems([`expected the output of ${nameOf(file)}:\n${wanted.join('\n')}\nfound:\n${actual.join('\n')}`]);
}

function pattern(line) {
  return new RegExp(`^${line.split('*').map((text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
}

/** Returns the environment of an example: without options of Stompbox, and with the necessary programs in PATH. */
function environment(binary, more) {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('STOMPBOX'));
  return {
    ...Object.fromEntries(own),
    PATH: [dirname(binary), VENV, process.env.PATH, '/usr/sbin'].join(':'),
    PYTHONDONTWRITEBYTECODE: '1',
    NO_COLOR: '1',
    NO_PROXY: '127.0.0.1,localhost',
    no_proxy: '127.0.0.1,localhost',
    STOMPBOX: binary,
    ...more,
  };
}

/**
 * Writes a script `stompbox` that runs the binary, and returns its path. The script removes STOMPBOX_HTTP_URL and
 * STOMPBOX_TCP_PORT, because Stompbox treats variables that begin with STOMPBOX_ as options.
 */
function shim(binary) {
  const directory = mkdtempSync(join(temporary, 'bin-'));
  const path = join(directory, 'stompbox');
  writeFileSync(path, `#!/bin/sh\nunset STOMPBOX_HTTP_URL STOMPBOX_TCP_PORT\nexec '${binary}' "$@"\n`, { mode: 0o755 });
  return path;
}

/** Creates a directory with a copy of the examples and a link to the client libraries for Node.js. Returns its path. */
function workingDirectory() {
  const directory = mkdtempSync(join(temporary, 'run-'));
  cpSync(EXAMPLES, directory, { recursive: true });
  symlinkSync('.', join(directory, 'examples'));
  symlinkSync(join(INTEROP, 'node_modules'), join(directory, 'node_modules'));
  return directory;
}

/** Runs a program and expects exit code 0 and the output of the example. */
async function runAndCompare(file, command, args, options, ports) {
  const { code, out, log } = await run(command, args, options);
  const shown = `standard output:\n${out.trimEnd()}\nstandard error:\n${log.trimEnd()}`;
  if (code !== 0) throw new Problems([`expected exit code 0, found ${code}; ${shown}`]);
  const wanted = outputOf(file);
  if (wanted) compareOutput(wanted, out, ports);
}

/** Runs an example that is a script. If `broker` is given, tells the script where this broker listens. */
async function runScript(file, binary, directory, broker) {
  const runner = RUNNERS[extname(file)];
  if (!runner) {
    throw new Problems([`expected a name that ends in ${Object.keys(RUNNERS).join(', ')}, found ${nameOf(file)}`]);
  }
  const ports = broker?.ports ?? {};
  const env = environment(binary, {
    ...(ports.http && { STOMPBOX_HTTP_URL: `http://127.0.0.1:${ports.http}` }),
    ...(ports.tcp && { STOMPBOX_TCP_PORT: ports.tcp }),
  });
  await runAndCompare(file, runner, [join(directory, nameOf(file))], { cwd: directory, env }, ports);
}

const kinds = {
  async broker(file, binary, directory, options) {
    const broker = await Broker.start(binary, options, { cwd: directory, env: environment(binary) });
    let error;
    try {
      await runScript(file, binary, directory, broker);
    } catch (thrown) {
      error = thrown;
    }
    const code = await broker.stop();
    const problems = error ? [...(error.list ?? [error.stack]), `the broker's log was:\n${broker.log}`] : [];
    if (code !== 0) problems.push(`expected the broker to exit with 0 after SIGTERM, found ${code}`);
    expectNone(problems);
    return `ran beside a broker ${options.join(' ')}`.trimEnd();
  },

  async 'no-broker'(file, binary, directory) {
    await runScript(file, binary, directory);
    return 'ran';
  },

  async config(file, binary, directory) {
    const args = ['check-config', '--config', nameOf(file)];
    await runAndCompare(file, binary, args, { cwd: directory, env: environment(binary) });
    return 'check-config accepts it';
  },

  async nginx(file, binary, directory) {
    const { code, log } = await checkNginx(readFileSync(file, 'utf8'), directory, environment(binary));
    if (code !== 0) throw new Problems([`expected exit code 0 of nginx -t, found ${code}; its output:\n${log}`]);
    return 'nginx -t accepts it';
  },
};

async function runExample(file, binary) {
  const directive = directiveOf(file);
  const run = directive && Object.hasOwn(kinds, directive.kind) && kinds[directive.kind];
  if (!run) {
    const wanted = `a line "docs-test: ${Object.keys(kinds).join('|')} …" in the first ${HEAD_LINES} lines`;
    throw new Problems([`expected ${wanted}, found ${directive ? `"${directive.kind}"` : 'none'}`]);
  }
  const directory = workingDirectory();
  try {
    return await run(file, binary, directory, directive.words);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Examples that this program does not run, with the reasons. All others must have a line `docs-test`. */
const NOT_RUN = {
  Caddyfile: 'Caddy is not installed',
  'prometheus.yml': 'Prometheus is not installed',
  'embedding.rs': 'tests/all runs it with cargo',
  'embedding-client.rs': 'tests/all runs it with cargo',
  'embedding-config.rs': 'tests/all runs it with cargo',
  'embedding-transaction.rs': 'tests/all runs it with cargo',
  'first-message.html': 'loads its library from a CDN',
  'sockjs.html': 'loads its library from a CDN',
  'stompjs-2.html': 'loads its library from a CDN',
};

/** Runs the examples. At most `PARALLEL` examples run at a time. */
async function runExamples(binary, names) {
  const isRunnable = (file) => !file.endsWith('.out') && !NOT_RUN[nameOf(file)];
  const isChosen = (file) => !names.length || names.includes(nameOf(file)) || names.includes(basename(file));
  const waiting = examples.filter((file) => isRunnable(file) && isChosen(file));
  const worker = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      const example = file;
      await check(`example ${nameOf(example)}`, () => runExample(example, binary));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

// ---- main ----

const [binary, ...names] = process.argv.slice(2);
if (!binary || (binary !== '--pages' && !existsSync(binary))) {
  console.error('usage: node tests/docs/run.mjs BROKER [NAME]..., or --pages. BROKER is the path of the binary.');
  process.exit(2);
}
const unknown = names.filter((name) => !examples.some((file) => [nameOf(file), basename(file)].includes(name)));
if (unknown.length) {
  console.error(`unknown example ${unknown.join(', ')}. Expected names of files in web/docs/examples.`);
  process.exit(2);
}
await checkPages();
if (binary !== '--pages') await runExamples(shim(resolve(binary)), names);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
