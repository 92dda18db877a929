//! The colours of the terminal's display: buildx's, and as `BUILDKIT_COLORS` changes them.
//!
//! Its form is `run=green:warning=yellow:error=red:cancel=255,165,0`
//! (<https://github.com/moby/buildkit/blob/v0.13.2/util/progress/progressui/colors.go>).

use crossterm::style::{Attribute, Color, ContentStyle, StyledContent};

/// What a text is, as far as its colour goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    /// Of less weight.
    Dim,
    /// Ended well.
    Run,
    Canceled,
    Warning,
    Error,
}

/// The colour of each paint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Palette {
    run: Color,
    canceled: Color,
    warning: Color,
    error: Color,
}

impl Default for Palette {
    fn default() -> Self {
        Self {
            run: if cfg!(windows) {
                Color::DarkCyan
            } else {
                Color::DarkBlue
            },
            canceled: Color::DarkYellow,
            warning: Color::DarkYellow,
            error: Color::DarkRed,
        }
    }
}

impl Palette {
    /// A palette from `BUILDKIT_COLORS`, and the parts of it that say nothing.
    pub(crate) fn parse(text: &str) -> (Self, Vec<String>) {
        let mut palette = Self::default();
        let mut wrong = Vec::new();
        for part in text.split(':') {
            // Only quoted can a colour of three numbers stand in what is separated by commas elsewhere.
            let pair = part.trim_matches('"').split_once('=');
            let slot = pair.and_then(|(key, value)| Some((palette.slot(key)?, color(value)?)));
            match slot {
                Some((slot, color)) => *slot = color,
                None => wrong.push(part.to_owned()),
            }
        }
        (palette, wrong)
    }

    fn slot(&mut self, key: &str) -> Option<&mut Color> {
        match key.to_ascii_lowercase().as_str() {
            "run" => Some(&mut self.run),
            "cancel" => Some(&mut self.canceled),
            "warning" => Some(&mut self.warning),
            "error" => Some(&mut self.error),
            _ => None,
        }
    }

    /// A text with the escapes that colour it.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        let mut style = ContentStyle::new();
        match paint {
            Paint::Plain => return text.to_owned(),
            Paint::Dim => style.attributes.set(Attribute::Dim),
            Paint::Run => style.foreground_color = Some(self.run),
            Paint::Canceled => style.foreground_color = Some(self.canceled),
            Paint::Warning => style.foreground_color = Some(self.warning),
            Paint::Error => style.foreground_color = Some(self.error),
        }
        StyledContent::new(style, text).to_string()
    }
}

/// A colour by name, or as three numbers up to 255, which become the nearest of the terminal's 216.
fn color(text: &str) -> Option<Color> {
    let text = text.to_ascii_lowercase();
    let numbers: Vec<u8> = text.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    if let [red, green, blue] = numbers.as_slice() {
        let step = |value: &u8| u8::try_from(u16::from(*value) * 5 / 255).unwrap_or(5);
        return Some(Color::AnsiValue(16 + 36 * step(red) + 6 * step(green) + step(blue)));
    }
    Some(match text.as_str() {
        "default" => Color::Reset,
        "black" => Color::Black,
        "blue" => Color::DarkBlue,
        "cyan" => Color::DarkCyan,
        "green" => Color::DarkGreen,
        "magenta" => Color::DarkMagenta,
        "red" => Color::DarkRed,
        "white" => Color::Grey,
        "yellow" => Color::DarkYellow,
        "light-black" => Color::DarkGrey,
        "light-blue" => Color::Blue,
        "light-cyan" => Color::Cyan,
        "light-green" => Color::Green,
        "light-magenta" => Color::Magenta,
        "light-red" => Color::Red,
        "light-white" => Color::White,
        "light-yellow" => Color::Yellow,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read() {
        let (palette, wrong) = Palette::parse("run=light-green:cancel=255,165,0:ERROR=Magenta");
        assert!(wrong.is_empty(), "{wrong:?}");
        let expect = Palette {
            run: Color::Green,
            canceled: Color::AnsiValue(16 + 36 * 5 + 6 * 3),
            error: Color::DarkMagenta,
            ..Palette::default()
        };
        assert_eq!(palette, expect);
    }

    #[test]
    fn what_says_nothing_is_told() {
        let (palette, wrong) = Palette::parse("run=mauve:warning:stop=red:error=1,2:cancel=0,0,256");
        assert_eq!(palette, Palette::default());
        assert_eq!(
            wrong,
            ["run=mauve", "warning", "stop=red", "error=1,2", "cancel=0,0,256"]
        );
    }
}
