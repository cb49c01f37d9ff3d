// Texts that servers, proxies or client libraries may damage in transit.

export const TEXTS = {
  Chinese: '你好，世界。今天过得怎么样？',
  Arabic: 'مرحبا بالعالم، كيف حالك اليوم؟',
  emoji: '👋🏽 👩‍👩‍👧‍👦 🇨🇭 😀',
  percent: '100 % of %41 is %zz, %E4%F6 and %',
  'line separators': 'one\u2028two\u2029three',
  'new lines': 'one\ntwo\n\n\tthree',
  'end of a script': '</script><script>window.broken = true</script>',
  'an image': '<img src="/nowhere" onerror="window.broken = true"><!--',
  quotes: `"double" 'single' \\back\\slash\\ \\u0041 &amp; a["x"]`,
  'invisible characters': 'a\u200bb\u200ec\u200fd\u2060e\ufefff\ufff0g\uffffh\u00ad',
};

/** Returns a text of this length with characters of all kinds. */
export function long(length) {
  return 'Grüße, 世界 % </script> 😀 \u2028'.repeat(length).slice(0, length - 1) + '.';
}
