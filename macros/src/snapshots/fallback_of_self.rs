#[port_test]
async fn method(&self) {
    self.helper();
}
// expands to
#[cfg(any())]
#[allow(dead_code)]
async fn method(&self) {
    self.helper();
}
::core::compile_error! { "a test cannot take `self`: make it a function outside the impl block that takes what it needs as arguments" }
