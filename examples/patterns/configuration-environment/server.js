console.log(`${process.env.NODE_ENV}, port ${process.env.PORT}, log level ${process.env.LOG_LEVEL}`);
