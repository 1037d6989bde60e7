import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expandDocument, expandWord, expandWords } from './expand-word.ts'
import type { Instruction } from './instruction.ts'
import { parseDockerfile } from './parse-dockerfile.ts'
import { planBuild } from './build-plan.ts'

const plan = (text: string, more: { target?: string; labels?: Readonly<Record<string, string>> } = {}): readonly Instruction[] => planBuild(parseDockerfile(text), { target: '', labels: {}, ...more })
const only = (line: string): Instruction => {
  const instruction = plan(`FROM x\n${line}`)[1]
  assert.ok(instruction !== undefined)
  return instruction
}

test('lines are joined as Docker shows them, without comments and empty lines', () => {
  const { nodes, warnings } = parseDockerfile('# syntax=docker/dockerfile:1\nFROM busybox\nRUN echo a \\\n# comment\n\n   b\n')
  assert.deepEqual(nodes.map(node => node.original), ['FROM busybox', 'RUN echo a    b'])
  assert.match(warnings[0] ?? '', /^\[WARNING\]: Empty continuation line found in:\n {4}RUN echo a {4}b\n/)
})

test('the escape directive changes what continues a line, and a backslash that is escaped does not', () => {
  assert.equal(parseDockerfile('# escape=`\nFROM x\nRUN a `\nb\n').nodes[1]?.original, 'RUN a b')
  assert.deepEqual(parseDockerfile('FROM x\nRUN a \\\\\nUSER b\n').nodes.map(node => node.keyword), ['FROM', 'RUN', 'USER'])
})

test('a document follows the instruction that announces it', () => {
  const { nodes } = parseDockerfile('FROM x\nRUN cat <<-"A" <<B\n\tone $x\n\tA\ntwo\nB\nCOPY <<f /d/\nz\nf\nUSER u')
  assert.deepEqual(nodes.map(node => node.heredocs), [[], [{ name: 'A', content: 'one $x\n', expand: false }, { name: 'B', content: 'two\n', expand: true }], [{ name: 'f', content: 'z\n', expand: true }], []])
  assert.throws(() => parseDockerfile('FROM x\nRUN <<EOF\nno end'), /line 2: unterminated heredoc/)
})

test('mistakes are told in the words of Docker', () => {
  const mistakes: readonly (readonly [string, string])[] = [
    ['# nothing\n', 'failed to parse Dockerfile: file with no instructions'],
    ['FROM x\nFOO bar\n', 'dockerfile parse error line 2: unknown instruction: FOO'],
    ['RUN x\n', 'no build stage in current context'],
    ['FROM\n', 'dockerfile parse error line 1: FROM requires either one or three arguments'],
    ['FROM x as 1a\n', 'dockerfile parse error line 1: invalid name for build stage: "1a", name can\'t start with a number or contain symbols'],
    ['FROM x\nCOPY y\n', 'dockerfile parse error line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined'],
    ['FROM x\nENV a\n', 'failed to parse Dockerfile: ENV must have two arguments'],
    ['FROM x\nENV a=b c\n', 'failed to parse Dockerfile: Syntax error - can\'t find = in "c". Must be of the form: name=value'],
    ['FROM x\nRUN --foo=y z\n', 'dockerfile parse error line 2: Unknown flag: foo'],
    ['FROM x\nONBUILD ONBUILD RUN\n', 'dockerfile parse error line 2: Chaining ONBUILD via `ONBUILD ONBUILD` isn\'t allowed'],
    ['FROM x\nONBUILD FROM y\n', 'dockerfile parse error line 2: FROM isn\'t allowed as an ONBUILD trigger'],
    ['FROM x\nSHELL foo\n', 'dockerfile parse error line 2: SHELL requires the arguments to be in JSON form'],
    ['FROM x\nHEALTHCHECK --interval=1 CMD y\n', 'dockerfile parse error line 2: time: missing unit in duration "1"'],
    ['FROM x\nHEALTHCHECK foo\n', 'dockerfile parse error line 2: Unknown type "FOO" in HEALTHCHECK (try CMD)'],
    ['FROM x\nVOLUME [""]\n', 'dockerfile parse error line 2: VOLUME specified can not be an empty string'],
    ['FROM x\nCMD [1]\n', 'failed to parse Dockerfile: when using JSON array syntax, arrays must be comprised of strings only'],
    ['# escape=x\nFROM y\n', 'failed to parse Dockerfile: invalid escape token \'x\' does not match ` or \\'],
  ]
  for (const [text, message] of mistakes) assert.throws(() => plan(text), { message }, text)
})

test('what is left out on purpose says so', () => {
  for (const line of ['RUN --security=insecure x', 'COPY --parents a b', 'ADD --keep-git-dir=true a b']) assert.throws(() => only(line), { code: 'unsupported-instruction' }, line)
})

test('a command is words in JSON form, else a text for the shell', () => {
  assert.deepEqual((only('CMD ["a", "b c"]') as { command: unknown }).command, { shell: false, words: ['a', 'b c'] })
  assert.deepEqual((only('CMD ["a", b]') as { command: unknown }).command, { shell: true, words: ['["a", b]'] })
})

test('a target ends the build after its stage; labels of the command line come last and are not expanded', () => {
  const text = 'ARG V=1\nFROM a AS one\nRUN 1\nFROM b AS two\nRUN 2\n'
  assert.deepEqual(plan(text, { target: 'ONE' }).map(step => step.original), ['ARG V=1', 'FROM a AS one', 'RUN 1'])
  assert.deepEqual(plan(text, { target: '1' }).length, 5)
  assert.throws(() => plan(text, { target: 'no' }), { message: 'failed to reach build target no in Dockerfile' })
  const [label] = plan('FROM a', { labels: { k: '$v "it\'s"' } }).slice(1)
  assert.equal(label?.kind, 'label')
  assert.ok(label.kind === 'label')
  assert.deepEqual(label.pairs.map(pair => pair.map(word => expandWord(word, new Map([['v', 'no']]), '\\'))), [['k', '$v "it\'s"']])
})

const variables = new Map([['a', 'x.tar.gz'], ['empty', ''], ['p', '/usr/local/bin'], ['two', '1 2']])
const expansions: readonly (readonly [string, string])[] = [
  ['$a', 'x.tar.gz'], ['${a}b', 'x.tar.gzb'], ['$none-', '-'], ['\\$a', '$a'], ["'$a'", '$a'], ['"$a b"', 'x.tar.gz b'], ['"\\"\\n"', '"\\n'], ['a\\ b', 'a b'],
  ['${none:-d}', 'd'], ['${empty:-d}', 'd'], ['${empty-d}', ''], ['${none-d}', 'd'], ['${a:+y}', 'y'], ['${empty:+y}', ''], ['${empty+y}', 'y'], ['${none:-${a}}', 'x.tar.gz'], ['${none:-"a b"}', 'a b'],
  ['${a#x.}', 'tar.gz'], ['${a#*.}', 'tar.gz'], ['${a##*.}', 'gz'], ['${a%.*}', 'x.tar'], ['${a%%.*}', 'x'], ['${p/local/my}', '/usr/my/bin'], ['${p//\\//_}', '_usr_local_bin'], ['$', '$'], ['a$', 'a$'],
]
for (const [word, value] of expansions) test(`${word} becomes ${value}`, () => { assert.equal(expandWord(word, variables, '\\'), value) })

test('a substitution that makes no sense is named', () => {
  assert.throws(() => expandWord('${b', variables, '\\'), { message: 'failed to process "${b": missing \':\' in substitution' })
  assert.throws(() => expandWord('${none:?gone}', variables, '\\'), { message: 'failed to process "${none:?gone}": none: gone' })
  assert.throws(() => expandWord('"x', variables, '\\'), { message: 'failed to process "\\"x": unexpected end of statement while looking for matching double-quote' })
})

test('a variable may be several words where that counts; quotes hold them together', () => {
  assert.deepEqual(expandWords('$two', variables, '\\'), ['1', '2'])
  assert.deepEqual(expandWords('"$two"3', variables, '\\'), ['1 23'])
  assert.deepEqual(expandWords('$none', variables, '\\'), [])
})

test('in a document quotes mean nothing', () => {
  assert.equal(expandDocument('"$p" \'${empty:-z}\' \\$p \\n', variables, '\\'), '"/usr/local/bin" \'z\' $p \\n')
})

test('no text makes the parser fail in another way than it says', () => {
  const pieces = ['FROM ', 'RUN ', 'COPY ', '<<A ', '\\\n', '\n', '# escape=`\n', '"', "'", '$', '${', '}', '[', ']', '--x=', 'ENV ', 'a=b ', '`', 'ONBUILD ', 'HEALTHCHECK ', ':-']
  let seed = 7
  for (let round = 0; round < 3000; round++) {
    let text = 'FROM a\n'
    for (let at = 0; at < 12; at++) { seed = (seed * 1103515245 + 12345) % 2147483648; text += pieces[seed % pieces.length] ?? '' }
    try {
      for (const instruction of plan(text)) if (instruction.kind === 'env') for (const [, value] of instruction.pairs) expandWord(value, variables, '\\')
    } catch (error) {
      assert.ok(['bad-dockerfile', 'bad-substitution', 'unsupported-instruction'].includes((error as { code?: string }).code ?? ''), `seed 7 round ${round}: ${JSON.stringify(text)}: ${String(error)}`)
    }
  }
})
