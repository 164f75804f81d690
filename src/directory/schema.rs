//! Presets as data.
