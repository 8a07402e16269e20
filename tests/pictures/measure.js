// Runs in the page: measures what it shows. Returns {height, contentWidth, tooWide, texts}.
({ images }) => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const paint = canvas.getContext("2d", { willReadFrequently: true });

  // Any CSS colour as [red, green, blue, alpha], 0-255 and 0-1. Computed colours are rgb() nearly always: no canvas for those.
  const rgba = (color) => {
    const plain = color.match(/^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/);
    if (plain) return [...plain.slice(1, 4).map(Number), plain[4] === undefined ? 1 : Number(plain[4])];
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = color;
    paint.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = paint.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((value, index) => value * a + below[index] * (1 - a));
  const luminance = (color) => {
    const [r, g, b] = color.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const hex = (color) => "#" + color.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("");

  // The paper under everything: white, or dark where the page says that it knows dark.
  const paper = () => {
    const probe = document.createElement("div");
    probe.style.cssText = "background-color: Canvas !important; display: none";
    document.documentElement.append(probe);
    const color = rgba(getComputedStyle(probe).backgroundColor);
    probe.remove();
    return color.slice(0, 3);
  };
  const sheet = paper();
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] > 0) layers.push(color);
      if (color[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), sheet);
  };
  const opacity = (element) => {
    let share = 1;
    for (let at = element; at; at = at.parentElement) share *= Number(getComputedStyle(at).opacity);
    return share;
  };
  const shown = (element) => {
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return false;
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      const box = at.getBoundingClientRect();
      if (style.overflow !== "visible" && (box.width <= 1 || box.height <= 1)) return false;
    }
    return true;
  };
  const text = (words, element) => {
    const style = getComputedStyle(element);
    const background = behind(element);
    const [r, g, b, a] = rgba(style.color);
    const color = over([r, g, b, a * opacity(element)], background);
    return {
      text: words.length > 60 ? `${words.slice(0, 60)}…` : words,
      color: hex(color),
      background: hex(background),
      contrast: contrast(color, background),
      size: parseFloat(style.fontSize),
    };
  };

  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const words = walker.currentNode.data.replace(/\s+/g, " ").trim();
    const element = walker.currentNode.parentElement;
    // Colour pictures in a text paint themselves; invisible characters paint nothing.
    if (!/[^\p{Extended_Pictographic}\p{Cf}\p{Mn}\p{Z}\s]/u.test(words) || !shown(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    if ([...range.getClientRects()].some((box) => box.width > 1 && box.height > 1)) texts.push(text(words, element));
  }
  if (!images) {
    for (const image of document.images) if (image.alt.trim() && shown(image)) texts.push(text(image.alt.trim(), image));
  }

  const root = document.documentElement;
  const wide = [...document.body.querySelectorAll("*")]
    .map((element) => [element, Math.max(element.getBoundingClientRect().right, element.getBoundingClientRect().left + element.scrollWidth)])
    .filter(([element, right]) => right > innerWidth + 0.5 && shown(element))
    .sort(([, one], [, other]) => other - one);
  const words = ([element, right]) =>
    `<${element.localName}${element.className ? ` class="${element.className}"` : ""}> reaches ${Math.ceil(right)} px` +
    ` («${(element.alt ?? element.textContent).trim().replace(/\s+/g, " ").slice(0, 40)}»)`;
  return {
    height: root.scrollHeight,
    contentWidth: Math.max(root.scrollWidth, document.body.scrollWidth),
    tooWide: wide.slice(0, 3).map(words),
    texts,
  };
}
