// Parses Markdown pages: fenced blocks, examples, headings and links.

import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';

/** `<!-- example: examples/NAME -->` or `<!-- example: examples/NAME#PART -->`, on a line of its own. */
const EXAMPLE = /^\s*<!-- example: ([^\s#]+)(?:#(\S+))? -->\s*$/;
const FENCE = /^(\s*)(`{3,}|~{3,})\s*(\S*)/;
const HEADING = /^#{1,6}\s+(.*?)\s*#*\s*$/;
const SCHEME = /^[a-z][a-z0-9+.-]*:/i;

/** A page with its text in lines and its fenced blocks. */
export class Page {
  constructor(path, root) {
    this.path = path;
    this.name = relative(root, path);
    this.lines = readFileSync(path, 'utf8').split('\n');
    /**
     * The fenced blocks. Each has its first line (counted from 1), its text, and the marker of the example to which it
     * must be equal.
     */
    this.blocks = [];
    /** Markers of examples that no fenced block follows. */
    this.strayMarkers = [];
    /** All lines of the page. Lines inside of fenced blocks are replaced by empty ones. */
    this.prose = [];
    this.#parse();
  }

  #parse() {
    let marker = null;
    for (let at = 0; at < this.lines.length; at += 1) {
      const line = this.lines[at];
      const fence = FENCE.exec(line);
      if (fence) {
        const end = this.#endOf(fence, at);
        const indent = new RegExp(`^\\s{0,${fence[1].length}}`);
        const inside = this.lines.slice(at + 1, end).map((text) => text.replace(indent, ''));
        this.blocks.push({ line: at + 1, text: inside.map((text) => `${text}\n`).join(''), marker });
        for (; at <= end && at < this.lines.length; at += 1) this.prose.push('');
        at -= 1;
        marker = null;
        continue;
      }
      const example = EXAMPLE.exec(line);
      if (marker && (example || line.trim())) {
        this.strayMarkers.push(marker);
        marker = null;
      }
      if (example) marker = { line: at + 1, file: example[1], part: example[2] };
      this.prose.push(example ? '' : line);
    }
    if (marker) this.strayMarkers.push(marker);
  }

  /** Returns the index of the line that closes a fenced block. If none closes it, returns the number of lines. */
  #endOf([, , fence], begin) {
    const closes = new RegExp(`^\\s*${fence[0]}{${fence.length},}\\s*$`);
    const found = this.lines.findIndex((line, at) => at > begin && closes.test(line));
    return found < 0 ? this.lines.length : found;
  }

  /** Returns the anchors of the page: explicit anchors, and the anchors that GitHub creates for headings. */
  anchors() {
    const anchors = new Set();
    for (const line of this.prose) {
      for (const [, id] of line.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(id);
      const heading = HEADING.exec(line);
      if (!heading) continue;
      const slug = slugOf(heading[1]);
      let anchor = slug;
      for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`;
      anchors.add(anchor);
    }
    return anchors;
  }

  /** Returns the targets of links to files and headings of this repository, each with its line. */
  links() {
    const text = blankOut(this.prose.join('\n'));
    const inline = text.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/g);
    const definitions = text.matchAll(/^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)/gm);
    return [...inline, ...definitions]
      .map(({ 1: target, index }) => ({ target, line: text.slice(0, index).split('\n').length }))
      .filter(({ target }) => !SCHEME.test(target) && !target.startsWith('//'));
  }

  /** Returns the file of an example. Its path is relative to the page, or else to the directory of the pages. */
  exampleFile({ file }, docs) {
    const beside = resolve(dirname(this.path), file);
    return existsSync(beside) ? beside : join(docs, file);
  }
}

/** Replaces comments and code spans by spaces, so that no link is found inside of them. Keeps line breaks. */
function blankOut(text) {
  const blank = (found) => found.replace(/[^\n]/g, ' ');
  const codeSpan = /(?<!`)(`+)(?!`)((?:(?!\n\s*\n)[\s\S])*?[^`])\1(?!`)/g;
  return text.replace(/<!--[\s\S]*?-->/g, blank).replace(codeSpan, blank);
}

function slugOf(heading) {
  const text = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/<[^>]+>/g, '');
  return text.toLowerCase().replace(/[^\p{L}\p{N}\p{M}\p{Pc}\- ]/gu, '').replaceAll(' ', '-');
}

/**
 * Returns the text of a file, or the lines between its comments `[part]` and `[/part]`. Fails if these comments are
 * missing.
 */
export function exampleText(file, part) {
  const text = readFileSync(file, 'utf8');
  if (!part) return text;
  const lines = text.split('\n');
  const lineOf = (mark) => lines.findIndex((line) => markOf(line) === mark);
  const [begin, end] = [lineOf(part), lineOf(`/${part}`)];
  if (begin < 0 || end < begin) {
    throw new Error(`${basename(file)}: expected comments [${part}] and [/${part}], each on a line of its own`);
  }
  return lines.slice(begin + 1, end).map((line) => `${line}\n`).join('');
}

/** Returns `name` if the line is a comment that contains only `[name]`. */
function markOf(line) {
  return /^\s*(?:\/\/|#|;|<!--|\/\*)\s*\[(\/?[\w-]+)\]\s*(?:-->|\*\/)?\s*$/.exec(line)?.[1];
}
