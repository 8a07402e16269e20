// Answers one JSON line per JSON line: MJML rendered by npm mjml, or a mail parsed by postal-mime. One process for a whole test run.
//
//   {"do": "mjml", "source": "<mjml>…"}            -> {"html": "…", "errors": [{"line", "tag", "message"}]}
//   {"do": "mail", "source": "<base64 of bytes>"}  -> {"from", "to", …, "headers": [[name, value]], "text", "html", "attachments"}
//
// What goes wrong inside comes back as {"failure": "…"}.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import mjml2html from "mjml";
import PostalMime from "postal-mime";

async function mjml(source) {
  // Soft validation tells all errors at once and still renders; strict would throw the same errors.
  const { html, errors } = await mjml2html(source, { validationLevel: "soft", fonts: {}, keepComments: true });
  return { html, errors: errors.map(({ line, tagName, message }) => ({ line, tag: tagName, message })) };
}

async function mail(source) {
  const parsed = await PostalMime.parse(Buffer.from(source, "base64"));
  const { from, sender, replyTo, to, cc, bcc, subject, date, messageId, text, html } = parsed;
  return {
    from, sender, replyTo, to, cc, bcc, subject, date, messageId, text, html,
    headers: parsed.headers.map(({ key, value }) => [key, value]),
    attachments: parsed.attachments.map(({ filename, mimeType, disposition, contentId, related, content }) => ({
      filename, mimeType, disposition, contentId, related,
      size: content.byteLength,
      sha256: createHash("sha256").update(new Uint8Array(content)).digest("hex"),
    })),
  };
}

const answers = { mjml, mail };

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = await answers[request.do](request.source);
  } catch (error) {
    answer = { failure: String(error?.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
